"""What is made from the table of commands: every --help, the man page, completion. A command that is added
is checked here without being named."""

import re
import subprocess

from checks import Count, expect, equal


def lines_of(program, *words, status=0):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120, check=False)
    equal(done.returncode, status, "exit code of engenho %s (%s)" % (" ".join(words), done.stderr.strip()))
    return done.stdout.splitlines()


def rows(help_lines, heading):
    """The first words of the rows below a heading of a help text."""
    found = []
    inside = False
    for line in help_lines:
        if not line.startswith(" "):
            inside = line == heading
        elif inside and re.match(r"  \S", line):
            found.append(line.split()[0])
    return found


def commands(program):
    """Every command, as a list of words."""
    found = []
    for name in rows(lines_of(program, "--help"), "Commands:"):
        subs = rows(lines_of(program, name, "--help"), "Commands:")
        found += [[name, sub] for sub in subs] or [[name]]
    return found


def has_help(program, words):
    text = lines_of(program, *words, "--help")
    expect(text[0].startswith("Usage: engenho " + " ".join(words)), "the first line is %r", text[0])
    expect(len(text) > 2 and re.match(r"[a-z].*[^.]$", text[2]), "the summary is %r", text[2:3])
    examples = text[text.index("Example:") + 1:]
    expect(examples and all(line.startswith("  engenho " + " ".join(words)) for line in examples),
           "the examples are %r", examples)
    for option in ("--json", "--help", "--data", "--config"):
        expect(option in rows(text, "Options:"), "%s is not listed", option)
    wide = [line for line in text if len(line) > 100]
    expect(not wide, "wider than 100 columns: %r", wide)


def refuses_a_wrong_option(program, words):
    done = subprocess.run([program, *words, "--jsn"], capture_output=True, text=True, timeout=120, check=False)
    equal((done.returncode, done.stdout), (64, ""), "exit code and output")
    equal(done.stderr, "engenho: no option '--jsn': did you mean '--json'?\n", "the message")


def example_parses(program, words):
    """The options that examples use exist: with --help behind it, a command line is parsed and not run."""
    text = lines_of(program, *words, "--help")
    for line in text[text.index("Example:") + 1:]:
        lines_of(program, *[word.strip("\"'") for word in line.split()[1:]], "--help")


def man_page_has(program, words, page):
    text = lines_of(program, *words, "--help")
    expect(".SS engenho " + " ".join(words) in page, "the man page has no section of it")
    for option in rows(text, "Options:"):
        expect(".B " + option.replace("-", "\\-") in page, "the man page has no %s", option)


def completes(program, words, script):
    text = lines_of(program, *words, "--help")
    typed = " ".join(words)
    offered = subprocess.run(
        ["bash", "--norc", "-c", '%s\nCOMP_WORDS=(engenho %s --); COMP_CWORD=%d; _engenho; printf "%%s\\n" "${COMPREPLY[@]}"'
         % (script, typed, len(words) + 1)], capture_output=True, text=True, timeout=60, check=True).stdout.split()
    equal(sorted(offered), sorted(rows(text, "Options:")), "what is offered behind engenho %s --" % typed)


def run(program):
    count = Count("golden.made")
    page, script = "\n".join(lines_of(program, "--man")), "\n".join(lines_of(program, "--bash-completion"))
    every = commands(program)
    count.run("commands", lambda: expect(["version"] in every and ["key", "add"] in every, "found %r", every))
    for words in every:
        name = "_".join(words)
        count.run("help_" + name, has_help, program, words)
        count.run("example_" + name, example_parses, program, words)
        count.run("wrong_option_" + name, refuses_a_wrong_option, program, words)
        count.run("man_" + name, man_page_has, program, words, page)
        count.run("completion_" + name, completes, program, words, script)
    return count
