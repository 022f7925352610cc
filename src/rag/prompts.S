/* The prompts that are built in (prompts/LANGUAGE.txt), as bytes of the library. */
    .section .rodata
    .macro file name, path
    .global \name
    .hidden \name
\name:
    .incbin "\path"
    .global \name\()_end
    .hidden \name\()_end
\name\()_end:
    .byte 0
    .endm

    file eng_prompt_pt, "pt.txt"
    file eng_prompt_en, "en.txt"
    file eng_prompt_es, "es.txt"

    .section .note.GNU-stack, "", %progbits
