# How things are compiled: the compiler, the variants, the flags, and the rule for an object.

BUILD ?= release
ifeq ($(filter $(BUILD),release debug asan tsan fuzz cov),)
$(error BUILD=$(BUILD): expected release, debug, asan, tsan, fuzz or cov)
endif

# libFuzzer is clang's; everything else compiles with both.
CC    := $(if $(filter fuzz,$(BUILD)),clang,$(if $(filter default,$(origin CC)),gcc,$(CC)))
CXX   := $(if $(filter default,$(origin CXX)),g++,$(CXX))
PREFIX ?= /usr/local
CORES  := $(shell nproc 2>/dev/null || echo 2)
VERSION := $(shell sed -n 's/^.define ENG_VERSION "\(.*\)"/\1/p' include/engenho.h)
SONAME  := libengenho.so.$(firstword $(subst ., ,$(VERSION)))
COMMIT  := $(shell git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown)
ARCH    := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))

# The release lands in build/ itself, every other variant in a folder of its own.
OUT := build$(if $(filter-out release,$(BUILD)),/$(BUILD))
OBJ := $(OUT)/obj

# `make V=1` shows the commands.
Q   := $(if $(V),,@)
say  = @$(if $(V),:,printf '  %-4s %s\n' $(1) $@)

# ---- Flags ---------------------------------------------------------------------------------------

PACKAGES := sqlite3 libcurl libsodium zlib liblzma libzip libutf8proc libxml-2.0
# Those that pkg-config does not know.
PLAIN_LIBS := -lstemmer -lbz2 -lm
# Asked once, and only when something is compiled: `make help` and `make deps` run without them.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PACKAGES)) $(PLAIN_LIBS))$(PKG_LIBS)

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
BASE := -std=c17 -D_GNU_SOURCE -pthread -fPIC -fvisibility=hidden -fno-strict-aliasing -g \
	-ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=.
# One baseline for every machine; what is wider is chosen at run time.
MACHINE := $(if $(filter x86_64,$(ARCH)),-march=x86-64-v2,$(if $(filter aarch64,$(ARCH)),-march=armv8-a))
HARDEN  := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fstack-clash-protection
CHECKED := -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all -DENG_DEBUG
INCLUDES = -Iinclude -Isrc

OPT_release  := -O3 $(HARDEN)
LINK_release := -Wl,-z,relro,-z,now -Wl,--gc-sections
# Without any optimisation some of the intrinsics are macros that -Wconversion has words about.
OPT_debug    := -Og -DENG_DEBUG
OPT_asan     := $(CHECKED) -fsanitize=address,undefined
LINK_asan    := -fsanitize=address,undefined
OPT_tsan     := $(CHECKED) -fsanitize=thread
LINK_tsan    := -fsanitize=thread
OPT_fuzz     := $(CHECKED) -fsanitize=fuzzer-no-link,address,undefined
LINK_fuzz    := -fsanitize=address,undefined
OPT_cov      := -Og --coverage -DENG_DEBUG
LINK_cov     := --coverage

FLAGS = $(BASE) $(INCLUDES) $(WARN) $(MACHINE) $(OPT_$(BUILD)) $(PKG_CFLAGS) $(CFLAGS)
LINK  = -pthread $(LINK_$(BUILD)) $(LDFLAGS)

# What a release says of itself for debuggers stands beside it, so that what is installed is small.
split-debug = $(if $(filter release,$(BUILD)),@objcopy --only-keep-debug $@ $@.debug && \
	objcopy --strip-unneeded --add-gnu-debuglink=$@.debug $@)

# ---- Files that change when what they hold changes: other flags, another commit, another prefix ----

remember = @mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' > $@

$(OUT)/flags: FORCE
	$(call remember,$(CC) $(WARN) $(BASE) $(MACHINE) $(OPT_$(BUILD)) $(LINK_$(BUILD)) $(CFLAGS) $(LDFLAGS))
$(OUT)/commit: FORCE
	$(call remember,$(COMMIT))
$(OUT)/prefix: FORCE
	$(call remember,$(PREFIX))
FORCE:
.PHONY: FORCE

# ---- Objects ---------------------------------------------------------------------------------------

# What is ours may not call what base/banned.h bans; tests may. One file may call malloc.
SRC_FLAGS  := -include src/base/banned.h
TEST_FLAGS := -Itests/unit
$(OBJ)/src/base/alloc.o: SRC_FLAGS += -DENG_ALLOC_ITSELF

# Only what mentions the commit is compiled again for each.
COMMITTED := $(patsubst %.c,$(OBJ)/%.o,$(shell grep -l ENG_COMMIT src/*/*.c 2>/dev/null))
$(COMMITTED): SRC_FLAGS += -DENG_COMMIT='"$(COMMIT)"'
$(COMMITTED): $(OUT)/commit

define compile
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(1) -MMD -MP -c -o $@ $<
endef

$(OBJ)/src/%.o: src/%.c $(OUT)/flags
	$(call compile,$(SRC_FLAGS))

$(OBJ)/src/%.o: src/%.S $(OUT)/flags
	$(call compile)

$(OBJ)/tests/%.o: tests/%.c $(OUT)/flags
	$(call compile,$(TEST_FLAGS))

# What libFuzzer calls has no header.
$(OBJ)/fuzz/%.o: fuzz/%.c $(OUT)/flags
	$(call compile,-Wno-missing-prototypes)

$(OBJ)/bench/%.o: bench/%.c $(OUT)/flags
	$(call compile,$(if $(PEERS_$*),$(shell pkg-config --cflags $(PEERS_$*))))
