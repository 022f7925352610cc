/*
 * The files of the documentation page, as bytes of the program. The assembler finds them in the build
 * folder (the Makefile says where), the large ones compressed.
 */
    .section .rodata
    .macro file name, path
    .balign 16
    .global \name
    .hidden \name
\name:
    .incbin "\path"
    .global \name\()_end
    .hidden \name\()_end
\name\()_end:
    .endm

    file eng_web_page, "docs.html"
    file eng_web_start, "docs.js"
    file eng_web_bundle, "swagger-ui-bundle.js.gz"
    file eng_web_style, "swagger-ui.css.gz"
    file eng_web_icon, "favicon.png"

    .section .note.GNU-stack, "", %progbits
