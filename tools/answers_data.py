"""The question sets of ../shared/data/pt_qa as collections for bench/answers.

Each set is split in halves by title, so that what is trained on shares no title with what is reported.
Ways of asking: `all` (every paragraph of the half a document), `own` (the title's paragraphs as one
document, with its title) and `other` (the document of another title of the same half: no answer there); `part` and `gone`
(every other paragraph of the title is the document: what is asked of the others is not there, though all of it
is about the same); `tiny` and `tiny_other` (three beginnings of
paragraphs are all there is); `own` and `other` also `reworded`, with a
word of the question exchanged for one that no text has, every other question.
"""
import csv
import json
import os
import re
import zlib

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "shared", "data", "pt_qa")


def squad(name):
    """title -> [(paragraph, [(question, [(start, end) in bytes], [answers])])]"""
    titles = {}
    with open(os.path.join(DATA, name), encoding="utf-8") as f:
        for article in json.load(f)["data"]:
            paragraphs = titles.setdefault(article["title"], [])
            for p in article["paragraphs"]:
                text = p["context"].strip()
                if text:
                    lead = len(p["context"]) - len(p["context"].lstrip())
                    paragraphs.append((text, [(q["question"].strip(), spans(text, q.get("answers", []), lead), [a["text"] for a in q.get("answers", []) if a["text"].strip()])
                                              for q in p["qas"] if q["question"].strip()]))
    return titles


def spans(text, answers, lead):
    found = []
    for a in answers:
        words = a["text"].strip()
        at = a["answer_start"] - lead
        if words and text[at:at + len(words)] != words:
            places = [m.start() for m in re.finditer(re.escape(words), text)]
            if not places:
                continue
            at = min(places, key=lambda x: abs(x - at))
        begin = len(text[:at].encode())
        found.append((begin, begin + len(words.encode())))
    return found


STOP = set("a o as os um uma de da do das dos em no na nos nas por para com e que se ao aos é são foi the of in and to is are was were for with by on from as an at be".split())


def words(text):
    return [w for w in re.findall(r"\w+", text.casefold()) if w not in STOP]


def pira(language, reworded=False):
    titles = {}
    text_column, q_column, a_column = {"pt": ("abstract_translated_pt", "question_pt_origin", "answer_pt_validate"),
                                       "en": ("abstract", "question_en_origin", "answer_en_validate")}[language]
    if reworded:
        q_column = q_column.replace("origin", "paraphase")
    with open(os.path.join(DATA, "pira_validation.csv"), encoding="utf-8") as f:
        by_text = {}
        for row in csv.DictReader(f):
            text, q, a = row[text_column].strip(), row[q_column].strip(), row[a_column].strip()
            if text and q and a:
                by_text.setdefault(row["abstract"], (text, []))[1].append((q, [], [a]))
    # by the English abstract in both languages, so that no abstract is learned from in one and reported in the other
    for key in by_text:
        titles.setdefault("pira %d" % (zlib.crc32(key.encode()) % 20), []).append(by_text[key])
    return titles


def other_word(question):
    """The question with a word that no text has in place of one of its long ones: people ask with words of their own."""
    places = [m for m in re.finditer(r"\w{5,}", question[1:]) if m.group().islower()]
    if not places:
        return question
    m = places[zlib.crc32(question.encode()) % len(places)]
    return question[:m.start() + 1] + m.group()[::-1] + question[m.end() + 1:]


def own_words(question):
    """The question with half of its long words exchanged, as of someone who does not know how the text puts it."""
    def other(m):
        w = m.group()
        return w[::-1] if w.islower() and zlib.crc32((question + w).encode()) % 2 else w
    return question[0] + re.sub(r"\w{5,}", other, question[1:])


def halves(titles):
    """Titles, the largest first, each to the half that has fewer questions."""
    out, size = ({}, {}), [0, 0]
    for t in sorted(titles, key=lambda t: (-sum(len(q) for _, q in titles[t]), t)):
        h = int(t[5:]) % 2 if t.startswith("pira ") else 0 if size[0] <= size[1] else 1
        out[h][t] = titles[t]
        size[h] += sum(len(q) for _, q in titles[t])
    return out


def document_of(paragraphs):
    """A title's paragraphs as one text; where each begins, in bytes."""
    text, starts = "", []
    for p, _ in paragraphs:
        starts.append(len(text.encode()))
        text += p + "\n\n"
    return text.strip(), starts


def collections():
    """[{name, half, way, language, documents, questions, gold}]; gold: [(document, spans, answers)] or None."""
    out = []
    for name, language, titles in (("squad", "pt", squad("squad_pt_dev_a.json")), ("faquad", "pt", squad("faquad_train.json")),
                                   ("pira", "pt", pira("pt")), ("pira_en", "en", pira("en")),
                                   ("pira_reworded", "pt", pira("pt", True)), ("pira_en_reworded", "en", pira("en", True))):
        for h, half in enumerate(halves(titles)):
            documents, questions, gold = [], [], []
            for t in half:
                for p, qs in half[t]:
                    for q, s, a in qs:
                        questions.append(q)
                        gold.append((len(documents), s, a) if a else None)
                    documents.append({"title": "", "text": p})
            out.append(dict(name=name, half=h, way="all", language=language, documents=documents, questions=questions, gold=gold))
            names = list(half)
            for i, t in enumerate(names):
                text, starts = document_of(half[t])
                pretty = t.replace("_", " ")
                own = dict(name=name, half=h, way="own", language=language, documents=[{"title": pretty, "text": text}], questions=[], gold=[])
                for (p, qs), start in zip(half[t], starts):
                    for q, s, a in qs:
                        own["questions"].append(q)
                        own["gold"].append((0, [(b + start, e + start) for b, e in s], a) if a else None)
                out.append(own)
                out.append(dict(own, way="own_words", questions=[own_words(q) for q in own["questions"]][1::2], gold=own["gold"][1::2]))
                out.append(dict(own, way="own_reworded", questions=[other_word(q) for q in own["questions"]][::2], gold=own["gold"][::2]))
                if len(half[t]) >= 4:
                    text, starts = document_of(half[t][::2])
                    part = dict(own, way="part", documents=[{"title": pretty, "text": text}], questions=[], gold=[])
                    for (p, qs), start in zip(half[t][::2], starts):
                        for q, s, a in qs:
                            if a:
                                part["questions"].append(q)
                                part["gold"].append((0, [(b + start, e + start) for b, e in s], a))
                    gone = [q for p, qs in half[t][1::2] for q, s, a in qs if a]
                    out += [part, dict(part, way="gone", questions=gone, gold=[None] * len(gone))]
                if len(names) > 1:
                    stranger = names[(i + 1) % len(names)]
                    qs = [q for p, qq in half[stranger] for q, s, a in qq if a][:120]
                    out.append(dict(name=name, half=h, way="other", language=language, documents=own["documents"], questions=qs, gold=[None] * len(qs)))
                    out.append(dict(out[-1], way="other_words", questions=[own_words(q) for q in qs][1::2], gold=[None] * len(qs[1::2])))
                    out.append(dict(out[-2], way="other_reworded", questions=[other_word(q) for q in qs][::2], gold=[None] * len(qs[::2])))
            out += tiny(name, h, language, half)
    return out


def tiny(name, h, language, half):
    """Collections of three beginnings of paragraphs of different titles, asked what they hold, and what others do."""
    pool = sorted(((p, qs) for t in half for p, qs in half[t] if len(p) > 80), key=lambda x: zlib.crc32(x[0].encode()))[:75]
    out = []
    for i in range(0, len(pool) - 3, 3):
        documents, questions, gold = [], [], []
        for d, (p, qs) in enumerate(pool[i:i + 3]):
            cut = p.find(". ", 60 + 90 * (i % 4))
            text = p[:cut + 1] if cut > 0 else p
            documents.append({"title": "", "text": text})
            for q, s, a in qs:
                if a and s and max(e for _, e in s) <= len(text.encode()):
                    questions.append(q)
                    gold.append((d, s, a))
        strangers = [q for p, qs in pool[(i + 3) % len(pool):][:6] + pool[:3 if i > 6 else 0] for q, s, a in qs if a][:8]
        same = dict(name=name, half=h, language=language, documents=documents)
        out.append(dict(same, way="tiny", questions=questions, gold=gold))
        out.append(dict(same, way="tiny_other", questions=strangers, gold=[None] * len(strangers)))
    return [c for c in out if c["questions"]]


def write(path, sets):
    with open(path, "w", encoding="utf-8") as f:
        for c in sets:
            f.write(json.dumps({k: c[k] for k in ("name", "language", "documents", "questions")}, ensure_ascii=False) + "\n")
