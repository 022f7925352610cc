/*
 * libc calls that do not compile here (the Makefile includes this file before every source of
 * ours), because each has cost somebody a hole or a day. What to use instead stands beside it.
 */
#ifndef ENG_BASE_BANNED_H
#define ENG_BASE_BANNED_H

/* Headers that declare the banned names, or use them in macros, come first. */
#include <malloc.h>
#ifdef __SSE2__
#include <mm_malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Macros of glibc: the name itself is what must not come up. */
#undef alloca
#undef sprintf
#undef vsprintf
#undef asprintf
#undef vasprintf
#pragma GCC poison strcpy strncpy stpcpy strcat strncat /* eng_buf, snprintf */
#pragma GCC poison sprintf vsprintf gets                /* snprintf, eng_buf_format */
#pragma GCC poison strtok strtok_r                      /* eng_str_cut */
#pragma GCC poison atoi atol atoll atof sscanf          /* eng_str_i64, json numbers */
#pragma GCC poison localtime gmtime ctime asctime       /* eng_time_format */
#pragma GCC poison strerror                             /* strerror_r through eng_fail_errno */
#pragma GCC poison rand srand srandom drand48           /* eng_random */
#pragma GCC poison alloca system popen tmpnam mktemp    /* eng_alloc, posix_spawn */
#ifndef ENG_ALLOC_ITSELF
#pragma GCC poison calloc realloc strdup strndup asprintf vasprintf /* base/alloc.h */
#endif

/* Names that headers of libraries use for an attribute and a member: only the calls are banned. */
#ifndef ENG_ALLOC_ITSELF
#define malloc(size) banned_use_eng_alloc
#define free(p) banned_use_eng_free
#endif
#define random() banned_use_eng_random

#endif
