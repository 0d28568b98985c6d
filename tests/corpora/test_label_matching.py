"""Labels from tables and tags: the forms in which known collections come, and every way in which a row can fail."""

from __future__ import annotations

import csv
import unicodedata

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lib.corpora import label_matching, registry, table
from lib.corpora.items import Item
from lib.store.errors import Problem
from lib.store.settings import load, table_and_column


def items(*names: str) -> list[Item]:
    return [Item(name, {"kind": "none"}, "") for name in names]


def write(path, text: str, encoding: str = "utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def labelled(found: label_matching.Labelled) -> dict[str, str]:
    return {item.name: item.label for item in found.items}


# --- tables ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name, text", [
    ("comma.csv", "file,genre\na.mp3,rock\nb.mp3,pop\n"),
    ("semicolon.csv", "file;genre\na.mp3;rock\nb.mp3;pop\n"),
    ("tab.tsv", "file\tgenre\na.mp3\trock\nb.mp3\tpop\n"),
    ("bar.txt", "file|genre\na.mp3|rock\nb.mp3|pop\n"),
    ("sep.csv", "sep=;\nfile;genre\na.mp3;rock\nb.mp3;pop\n"),
    ("blank.csv", "\n\nfile,genre\na.mp3,rock\n\nb.mp3,pop\n"),
    ("comment.csv", "# a comment\nfile,genre\na.mp3,rock\nb.mp3,pop\n"),
    ("title.csv", "My collection\nfile,genre\na.mp3,rock\nb.mp3,pop\n"),
    ("quoted.csv", '"file","genre"\n"a.mp3","rock"\n"b.mp3","pop"\n'),
    ("returns.csv", "file,genre\r\na.mp3,rock\r\nb.mp3,pop\r\n"),
    ("marked.csv", "\ufefffile,genre\na.mp3,rock\nb.mp3,pop\n"),
    ("list.json", '[{"file": "a.mp3", "genre": "rock"}, {"file": "b.mp3", "genre": "pop"}]'),
    ("lines.jsonl", '{"file": "a.mp3", "genre": "rock"}\n{"file": "b.mp3", "genre": "pop"}\n'),
    ("within.json", '{"tracks": [{"file": "a.mp3", "genre": "rock"}, {"file": "b.mp3", "genre": "pop"}]}'),
])
def test_one_table_in_many_forms(tmp_path, name, text):
    for encoding in ("utf-8", "utf-16"):
        rows = table.read(write(tmp_path / name, text, encoding)).rows
        assert rows.to_numpy().tolist() == [["a.mp3", "rock"], ["b.mp3", "pop"]] and list(rows) == ["file", "genre"]


def test_a_row_that_does_not_fit_costs_itself_and_a_quote_that_never_ends_is_said(tmp_path):
    found = table.read(write(tmp_path / "t.csv", "file,genre\na,rock\nb,pop,more,than,that\nc\nd,jazz\n"))
    assert found.rows["file"].tolist() == ["a", "d"] and [where for where, _ in found.faults] == ["line 3", "line 4"]
    with pytest.raises(Problem, match="quote"):
        table.read(write(tmp_path / "q.csv", 'file,genre\n"a,rock\nb,pop\n'))


def test_quotes_with_backslashes_and_doubled_ones(tmp_path):
    for name, cell in (("b.csv", '"a \\"x\\", y"'), ("d.csv", '"a ""x"", y"')):
        rows = table.read(write(tmp_path / name, f"file,genre\n{cell},rock\n")).rows
        assert rows["file"].tolist() == ['a "x", y']


def test_two_columns_of_one_name_stay_apart(tmp_path):
    assert list(table.read(write(tmp_path / "t.csv", "a,a,b\n1,2,3\n")).rows) == ["a", "a (2)", "b"]


@pytest.mark.parametrize("name, reader", [("t.xlsx", "openpyxl"), ("t.parquet", "pyarrow")])
def test_excel_and_parquet_where_their_reader_is_there_else_what_to_install(tmp_path, monkeypatch, name, reader):
    frame = pd.DataFrame({"file": ["a.mp3", "b.mp3"], "genre": ["rock", None], "year": [1999, 2001]})
    if name == "t.xlsx":
        pytest.importorskip(reader)
        frame.to_excel(tmp_path / name, index=False)
    else:
        pytest.importorskip(reader)
        frame.to_parquet(tmp_path / name)
    assert table.read(tmp_path / name).rows.to_numpy().tolist() == [["a.mp3", "rock", "1999"], ["b.mp3", "", "2001"]]

    def missing(*_args, **_options):
        raise ImportError(reader)

    monkeypatch.setattr(pd, "read_excel" if name == "t.xlsx" else "read_parquet", missing)
    with pytest.raises(Problem, match=f"pip install {reader}"):
        table.read(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"file,genre\n", b"\x00" * 100, b"PAR1 and no more", b"{", b"[1, 2]",
                                     b"PK\x03\x04 an archive", b"{\"file\": [\"a\"], \"genre\": [\"rock\"]}"])
def test_what_is_no_table_is_one_sentence(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(Problem) as said:
        table.read(tmp_path / "t.csv")
    assert "\n" not in str(said.value) and "t.csv" in str(said.value)


def test_a_folder_and_a_missing_file_are_no_tables(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(Problem, match="--labels|is no file"):
            table.read(path)


@given(st.lists(st.tuples(st.text("abcé ;,|\"'#\t", min_size=1).filter(str.strip), st.sampled_from(["rock", "pop"])),
                min_size=1, max_size=8))
def test_what_pandas_writes_is_read_as_it_was(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    pd.DataFrame(rows, columns=["file", "genre"]).to_csv(path, index=False)
    assert table.read(path).rows.to_numpy().tolist() == [[a.strip(), b] for a, b in rows]


# --- which column, which row -------------------------------------------------------------------------------------
def test_the_column_of_labels_is_named_or_the_only_one_with_a_usual_name(tmp_path):
    path = write(tmp_path / "t.csv", "file,genre,artist\na.mp3,rock,x\nb.mp3,pop,y\n")
    found = label_matching.label(items("a.mp3", "b.mp3"), str(path))
    assert found.name == "genre" and labelled(found) == {"a.mp3": "rock", "b.mp3": "pop"}
    assert [item.columns for item in found.items] == [{"artist": "x"}, {"artist": "y"}]
    found = label_matching.label(items("a.mp3", "b.mp3"), f"{path}:artist")
    assert found.name == "artist" and found.items[0].columns == {"genre": "rock"}
    with pytest.raises(Problem, match="no column 'mood'; it has file, genre, artist"):
        label_matching.label(items("a.mp3"), f"{path}:mood")
    two = write(tmp_path / "two.csv", "file,genre,mood\na.mp3,rock,sad\nb.mp3,rock,glad\n")
    with pytest.raises(Problem, match="several columns that could be labels .genre, mood."):
        label_matching.label(items("a.mp3"), str(two))
    none = write(tmp_path / "no.csv", "file,colour\na.mp3,red\n")
    with pytest.raises(Problem, match="has the columns file, colour: name the one to use"):
        label_matching.label(items("a.mp3"), str(none))


@pytest.mark.parametrize("cell", ["x/a.mp3", "a.mp3", "a", "music/x/a.wav", "./x/a.mp3", "x\\a.mp3", "A/../x/a.mp3"])
def test_a_file_is_named_by_path_by_name_or_by_stem(tmp_path, cell):
    path = write(tmp_path / "t.csv", f"file,genre\n{cell},rock\nb,pop\n")
    assert labelled(label_matching.label(items("x/a.mp3", "x/b.mp3"), str(path)))["x/a.mp3"] == "rock"


def test_never_by_position(tmp_path):
    path = write(tmp_path / "t.csv", "id,genre\n0,rock\n1,pop\n2,jazz\n")
    with pytest.raises(Problem, match="no column of .* names the files"):
        label_matching.label(items("a.mp3", "b.mp3", "c.mp3"), str(path))
    better = write(tmp_path / "u.csv", "id,filename,genre\n0,b.mp3,rock\n1,a.mp3,pop\n")
    assert labelled(label_matching.label(items("a.mp3", "b.mp3"), str(better))) == {"a.mp3": "pop", "b.mp3": "rock"}


def test_columns_that_say_the_same_in_other_words_are_one(tmp_path):
    path = write(tmp_path / "t.csv", "file,target,category\na,0,dog\nb,1,rain\nc,0,dog\n")
    assert label_matching.label(items("a.wav", "b.wav", "c.wav"), str(path)).name == "category"
    path = write(tmp_path / "u.csv", "file,target,category\na,0,dog\nb,1,rain\nc,2,dog\n")
    with pytest.raises(Problem, match="several columns"):
        label_matching.label(items("a.wav", "b.wav", "c.wav"), str(path))


@pytest.mark.parametrize("column, name", [
    ("track.genre_top", "genre_top"), ("v2.0", "v2.0"), ("No. of mood", "No. of mood"), ("Moods", "Moods"),
    ("a.b.tag", "tag"),
])
def test_what_a_label_is_called(tmp_path, column, name):
    path = write(tmp_path / "t.csv", f"file,{column}\na,rock\nb,pop\n")
    assert label_matching.label(items("a.wav", "b.wav"), f"{path}:{column}").name == name


def test_a_dot_in_a_name_is_no_ending(tmp_path):
    path = write(tmp_path / "t.csv", "file,genre\nmr.big,rock\nmr,pop\nblues.00001,jazz\nmr.small.wav,folk\n")
    found = label_matching.label(items("mr.big.mp3", "mr.mp3", "blues.00001.wav", "mr.small.mp3"), str(path))
    assert labelled(found) == {"mr.big.mp3": "rock", "mr.mp3": "pop", "blues.00001.wav": "jazz", "mr.small.mp3": "folk"}


def test_a_row_of_another_folder_means_no_file_of_that_name_here(tmp_path):
    path = write(tmp_path / "t.csv", "file,genre\ndisc1/01.mp3,rock\ndisc2/01.mp3,pop\ndisc2/02.mp3,jazz\n")
    found = label_matching.label(items("disc2/01.mp3", "disc2/02.mp3"), str(path))
    assert labelled(found) == {"disc2/01.mp3": "pop", "disc2/02.mp3": "jazz"}
    assert found.report["status"].tolist() == ["unmatched", "used", "used"]
    elsewhere = write(tmp_path / "u.csv", "file,genre\n/home/x/wav/01.wav,rock\n/home/x/wav/02.wav,pop\n")
    assert labelled(label_matching.label(items("disc2/01.mp3", "disc2/02.mp3"), str(elsewhere))) == {
        "disc2/01.mp3": "rock", "disc2/02.mp3": "pop"}


def test_a_row_number_beside_file_names_names_nothing(tmp_path):
    names = [f"{i:03d}.mp3" for i in range(1, 9)]
    rows = "".join(f"{i},{name},{'rock' if int(name[:3]) < 5 else 'pop'}\n" for i, name in enumerate(names[::-1], 1))
    path = write(tmp_path / "t.csv", "id,filename,genre\n" + rows)
    found = label_matching.label(items(*names), str(path))
    assert all(label == ("rock" if int(name[:3]) < 5 else "pop") for name, label in labelled(found).items())


def test_a_number_stands_for_a_name_only_where_one_file_has_it(tmp_path):
    path = write(tmp_path / "t.csv", "id,genre\n2,rock\n3,pop\n4,jazz\n")
    found = label_matching.label(items("000/000002.mp3", "x/3.mp3", "x/03.mp3", "y/003.mp3", "4.mp3"), str(path))
    assert labelled(found) == {"000/000002.mp3": "rock", "x/3.mp3": "pop", "4.mp3": "jazz"}
    found = label_matching.label(items("000002.mp3", "x/03.mp3", "y/003.mp3"), str(path))
    assert labelled(found) == {"000002.mp3": "rock"} and "ambiguous" in set(found.report["status"])


def test_what_becomes_of_every_row_and_every_file(tmp_path):
    path = write(tmp_path / "t.csv", "file,genre\na,rock\na,rock\nb,pop\nb,jazz\nc,\nd,folk,x\ne,rock\ndouble,pop\n")
    found = label_matching.label(items("a.mp3", "b.mp3", "c.mp3", "x/double.mp3", "y/double.mp3", "f.mp3"), str(path))
    report = found.report.set_index("where")
    status = report.loc[[f"line {number}" for number in range(2, 10)], "status"].tolist()
    assert status == ["used", "duplicate", "differs", "differs", "no label", "unreadable", "unmatched", "ambiguous"]
    assert labelled(found) == {"a.mp3": "rock"}
    left = found.report[found.report["status"] == "unlabelled"]["file"].tolist()
    assert left == ["b.mp3", "c.mp3", "x/double.mp3", "y/double.mp3", "f.mp3"]
    assert label_matching.summary(found.report)["entries"].sum() == 8 + 5


@given(st.text(min_size=1).filter(lambda text: text.isprintable() and text.strip()),
       st.lists(st.tuples(st.sampled_from(["NFC", "NFD"]), st.sampled_from(["", " ", "\t"]),
                          st.sampled_from(["", " ", "\u00a0"])), min_size=2, max_size=5))
def test_labels_alike_in_blanks_and_accents_are_one(tmp_path_factory, label, forms):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    rows = [(f"{i}.mp3", before + unicodedata.normalize(form, label) + after)
            for i, (form, before, after) in enumerate(forms)]
    pd.DataFrame(rows, columns=["file", "genre"]).to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    found = label_matching.label(items(*(name for name, _ in rows)), str(path))
    assert len(found.items) == len(rows) and len(set(labelled(found).values())) == 1


def test_labels_that_differ_in_case_stay_two(tmp_path):
    path = write(tmp_path / "t.csv", "file,genre\na, Rock\nb,rock\n")
    assert set(labelled(label_matching.label(items("a.mp3", "b.mp3"), str(path))).values()) == {"Rock", "rock"}


def test_long_texts_are_no_properties(tmp_path):
    path = write(tmp_path / "t.csv", f"file,genre,lyrics,year\na,rock,{'la ' * 80},1999\nb,pop,{'na ' * 80},2000\n")
    assert label_matching.label(items("a.mp3", "b.mp3"), str(path)).items[0].columns == {"year": "1999"}


def test_a_colon_in_a_path_is_not_a_column(tmp_path):
    odd = write(tmp_path / "a:b.csv", "file,genre\na,rock\n")
    assert table_and_column(str(odd)) == (str(odd), "")
    assert table_and_column(f"{odd}:genre") == (str(odd), "genre")
    assert table_and_column("tags:genre") == ("tags", "genre") and table_and_column("t.csv") == ("t.csv", "")


# --- collections as they are unpacked ------------------------------------------------------------------------------
@pytest.fixture
def tones(tmp_path):
    """Makes audio files of a second."""
    def make(root, *names):
        for i, name in enumerate(names):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            y = 0.3 * np.sin(2 * np.pi * (200 + 20 * i) * np.arange(4 * 8000) / 8000)
            soundfile.write(path, y, 8000, format="WAV" if path.suffix == ".mp3" else None)
    return make


def opened(root, labels: str, **options) -> registry.Corpus:
    return registry.open(load("smoke", "folder", str(root), "", labels, {"min_seconds": 1, "n_clusters": 2} | options))


def test_fma_as_it_is_unpacked(tmp_path, tones):
    ids = [2, 5, 10, 140, 141, 148, 182, 190, 193, 194, 197, 200, 203, 204, 207, 210, 211, 212, 213, 255, 99134]
    tones(tmp_path / "fma_small", *(f"{i // 1000:03d}/{i:06d}.mp3" for i in ids))
    write(tmp_path / "fma_small" / "checksums", "")
    header = (",album,album,artist,artist,set,set,track,track,track\n"
              ",id,title,id,name,split,subset,genre_top,genres,language_code\ntrack_id,,,,,,,,,\n")
    rows = "".join(f"{i},{i // 2},\"An, album\",{i % 3},artist {i % 3},training,small,{'Rock' if i % 2 else 'Hip-Hop'},"
                   "\"[21]\",en\n" for i in ids if i != 99134)
    rows += "99134,1,x,1,y,training,small,,[],\n155,5,x,2,y,training,large,Folk,[],en\n"
    tables = write(tmp_path / "fma_metadata" / "tracks.csv", header + rows)
    corpus = opened(tmp_path / "fma_small", f"{tables}:genre_top")
    of = {item.name: item for item in corpus.items}
    assert corpus.label == "genre_top" and len(of) == 20 and "099/099134.mp3" in corpus.skipped["file"].tolist()
    assert of["000/000002.mp3"].label == "Hip-Hop" and of["000/000005.mp3"].label == "Rock"
    assert of["000/000002.mp3"].columns["set.split"] == "training"
    assert of["000/000002.mp3"].columns["artist.name"] == "artist 2"
    counts = corpus.labels_report["status"].value_counts()
    assert (counts["used"], counts["no label"], counts["unmatched"], counts["unlabelled"]) == (20, 1, 1, 1)
    assert opened(tmp_path / "fma_small", str(tables)).label == "genre_top"  # the table alone says it


def test_esc_50_as_it_is_unpacked(tmp_path, tones):
    names = [f"{1 + i % 5}-{100032 + i}-A-{i % 4}.wav" for i in range(24)]
    tones(tmp_path / "ESC-50", *(f"audio/{name}" for name in names))
    write(tmp_path / "ESC-50" / "README.md", "# ESC-50")
    rows = "".join(f"{name},{name[0]},{i % 4},{['dog', 'rain', 'clock', 'sea'][i % 4]},True,{100032 + i},A\n"
                   for i, name in enumerate(names))
    header = "filename,fold,target,category,esc10,src_file,take\n"
    tables = write(tmp_path / "ESC-50" / "meta" / "esc50.csv", header + rows)
    corpus = opened(tmp_path / "ESC-50", f"{tables}:category")
    assert corpus.label == "category" and len(corpus.items) == 24
    assert {item.label for item in corpus.items} == {"dog", "rain", "clock", "sea"}
    assert corpus.items[0].columns["fold"] == "1" and "filename" not in corpus.items[0].columns
    assert corpus.labels_report["status"].eq("used").all()
    assert opened(tmp_path / "ESC-50", str(tables)).label == "category"  # the table alone says it


def test_kaggles_gtzan_as_it_is_unpacked(tmp_path, tones):
    names = [f"{genre}.{i:05d}" for genre in ("blues", "jazz") for i in range(12)]
    tones(tmp_path / "Data", *(f"genres_original/{name.split('.')[0]}/{name}.wav" for name in names))
    write(tmp_path / "Data" / "images_original" / "blues" / "blues00000.png", "\x89PNG")
    rows = "".join(f"{name}.wav,661794,0.35,0.08,{name.split('.')[0]}\n" for name in names)
    tables = write(tmp_path / "Data" / "features_30_sec.csv",
                   "filename,length,chroma_stft_mean,chroma_stft_var,label\n" + rows)
    corpus = opened(tmp_path / "Data", str(tables))
    assert corpus.label == "label" and len(corpus.items) == 24
    assert all(item.label == item.name.split("/")[1] for item in corpus.items)
    assert corpus.items[0].columns["length"] == "661794"
    known = registry.open(load("smoke", "gtzan", str(tmp_path / "Data" / "genres_original"), "", str(tables)))
    assert labelled(known) == {item.name.partition("/")[2]: item.label for item in corpus.items}


def test_tags_of_the_files(tmp_path):
    y = 0.3 * np.sin(np.arange(4 * 8000) / 8)
    for i in range(22):
        with soundfile.SoundFile(tmp_path / f"{i:02d}.flac", "w", 8000, 1) as file:
            file.artist = f"artist {i % 3}"
            if i < 21:
                file.genre = ("Rock", "Jazz")[i % 2]
            file.write(y * (1 + i / 100))
    corpus = opened(tmp_path, "tags:genre")
    assert corpus.label == "genre" and len(corpus.items) == 21
    assert corpus.items[1].label == "Jazz" and corpus.items[1].columns["artist"] == "artist 1"
    assert corpus.skipped["reason"].str.contains("no row|tag").any() and corpus.n_files == 22
