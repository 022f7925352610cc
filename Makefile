# engenho: build, test, install. `make help` lists the targets.
#
#   make run                what the program does, shown
#   make test               everything that proves it
#   make BUILD=asan unit    one variant, one stage: release (default), debug, asan, tsan, fuzz, cov

BUILD ?= release
CC    := $(if $(filter fuzz,$(BUILD)),clang,$(if $(filter default,$(origin CC)),gcc,$(CC)))
PREFIX ?= /usr/local
VERSION := $(shell sed -n 's/^.define ENG_VERSION "\(.*\)"/\1/p' include/engenho.h)
COMMIT  := $(shell git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown)

# The release lands in build/ itself, every other variant in a folder of its own.
OUT := build$(if $(filter-out release,$(BUILD)),/$(BUILD))
OBJ := $(OUT)/obj

PACKAGES := sqlite3 libcurl libsodium zlib
ARCH     := $(shell $(CC) -dumpmachine | cut -d- -f1)

# Evaluated when something is compiled, not by `make help` or `make deps` on a machine without them.
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES)) -lm

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
BASE_FLAGS := -std=c17 -D_GNU_SOURCE -pthread -fPIC -fvisibility=hidden -fno-strict-aliasing -g \
	-ffile-prefix-map=$(CURDIR)=. -Iinclude -Isrc -DENG_COMMIT='"$(COMMIT)"'
ARCH_FLAGS := $(if $(filter x86_64,$(ARCH)),-march=x86-64-v2)
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fstack-clash-protection

OPT_release := -O3 $(HARDEN)
OPT_debug   := -O0 -DENG_DEBUG
OPT_asan    := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DENG_DEBUG
OPT_tsan    := -O1 -fno-omit-frame-pointer -fsanitize=thread -DENG_DEBUG
OPT_fuzz    := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DENG_DEBUG
OPT_cov     := -O0 --coverage -DENG_DEBUG
LINK_asan   := -fsanitize=address,undefined
LINK_tsan   := -fsanitize=thread
LINK_fuzz   := -fsanitize=address,undefined
LINK_cov    := --coverage
LINK_release := -Wl,-z,relro,-z,now -Wl,--gc-sections

ifeq ($(OPT_$(BUILD)),)
$(error BUILD=$(BUILD): expected one of release debug asan tsan fuzz cov)
endif

CFLAGS_ALL  = $(BASE_FLAGS) $(WARN) $(ARCH_FLAGS) $(OPT_$(BUILD)) $(PKG_CFLAGS) $(CFLAGS)
# What is ours may not call what base/banned.h bans; the tests may.
SRC_FLAGS  := -include src/base/banned.h
# The one file that may call malloc.
$(OBJ)/src/base/alloc.o: SRC_FLAGS += -DENG_ALLOC_ITSELF

LIB_SRC  := $(filter-out src/serve/% src/cli/%,$(wildcard src/*/*.c))
PROG_SRC := $(wildcard src/serve/*.c src/cli/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(OBJ)/%.o)
PROG_OBJ := $(PROG_SRC:%.c=$(OBJ)/%.o) $(OBJ)/src/serve/web.o
TESTS    := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/*_test.c))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OUT)/engenho $(OUT)/libengenho.so ## build the program and the library

$(OBJ)/src/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(SRC_FLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/tests/%.o: tests/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Itests/unit -MMD -MP -c -o $@ $<

# The documentation page within the program: Swagger UI from its package, and what starts it.
UI  := web/node_modules/swagger-ui-dist
WEB := $(addprefix $(OUT)/web/,docs.html docs.js favicon.png swagger-ui-bundle.js.gz swagger-ui.css.gz)

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(OUT)/web/docs.%: web/docs.%
	@mkdir -p $(@D)
	cp $< $@

$(OUT)/web/favicon.png: web/node_modules/.package-lock.json
	@mkdir -p $(@D)
	cp $(UI)/favicon-32x32.png $@

$(OUT)/web/%.gz: web/node_modules/.package-lock.json
	@mkdir -p $(@D)
	gzip -9n < $(UI)/$* > $@

$(OBJ)/src/serve/web.o: src/serve/web.S $(WEB) Makefile
	@mkdir -p $(@D)
	$(CC) -Wa,-I$(OUT)/web -c -o $@ $<

$(OUT)/libengenho.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(OUT)/libengenho.so: $(LIB_OBJ)
	$(CC) -shared -Wl,-soname,libengenho.so.0 $(LINK_$(BUILD)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(OUT)/engenho: $(PROG_OBJ) $(OUT)/libengenho.a
	$(CC) -pthread $(LINK_$(BUILD)) $(LDFLAGS) -o $@ $(PROG_OBJ) $(OUT)/libengenho.a $(PKG_LIBS)

# Unit tests see the library's insides and, for serve and cli, everything but main.c.
$(OUT)/tests/%: $(OBJ)/tests/unit/%.o $(filter-out $(OBJ)/src/cli/main.o,$(PROG_OBJ)) $(OUT)/libengenho.a
	@mkdir -p $(@D)
	$(CC) -pthread $(LINK_$(BUILD)) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka

unit: $(TESTS) ## run the unit tests of this variant
	@for t in $(TESTS); do echo "== $$t"; $$t || exit 1; done

clean: ## remove what was built
	rm -rf build

-include $(shell test -d $(OBJ) && find $(OBJ) -name '*.d')
.PHONY: all unit clean
