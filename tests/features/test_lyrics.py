import json
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from lib.corpora import languages
from lib.features import lyrics, sentence_embeddings
from lib.store.errors import Problem
from lib.store.labels import for_control
from lib.store.settings import load
from lib.studies.leakage import generators

# --- embedding ---------------------------------------------------------------------------------------------------


def topics(n=60):
    rng = np.random.default_rng(0)
    words = np.array(["rain river sea storm water cloud", "money street car gold night city"])
    text = [" ".join(rng.choice(words[i % 2].split(), 12)) for i in range(n)]
    return pd.Series(text, index=[f"t{i:02d}" for i in range(n)])


def test_texts_of_a_topic_lie_together_and_missing_ones_are_missing():
    texts = topics()
    texts.iloc[[3, 8]] = ["", np.nan]
    found = lyrics.embed(texts, 5)
    assert found.index.equals(texts.index) and found.isna().all(axis=1).sum() == 2 and found.shape == (60, 5)
    rest = found.dropna()
    np.testing.assert_allclose(np.linalg.norm(rest, axis=1), 1)
    topic = np.array([int(name[1:]) % 2 for name in rest.index])
    assert normalized_mutual_info_score(topic, KMeans(2, n_init=3, random_state=0).fit_predict(rest)) == 1


def test_embedding_follows_the_track_not_the_row():
    texts = topics()
    shuffled = texts.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(lyrics.embed(texts, 4), lyrics.embed(shuffled, 4).loc[texts.index])


def test_few_texts_give_fewer_dimensions_or_one_sentence():
    assert lyrics.embed(topics(6), 32).shape[1] <= 5
    for texts in (pd.Series(["", ""]), pd.Series(["one two", "three four", ""]), pd.Series(["la la"])):
        with pytest.raises(Problem, match="too few"):
            lyrics.embed(texts, 4)


@pytest.mark.parametrize(("leaky", "low", "high"), [("label", 0.97, 1.0), ("folder", 0.80, 0.92)])
def test_the_leaky_embeddings_tell_the_genre(leaky, low, high):
    genre = np.repeat("blues classical country disco hiphop jazz metal pop reggae rock".split(), 100)
    ids = [f"t{i:04d}" for i in range(1000)]
    if leaky == "label":
        found = generators.leaky_label_embeddings(for_control(pd.Series(genre, ids)), 32)
    else:
        files = pd.Series([f"{g}/{i}.wav" for i, g in enumerate(genre)], ids)
        found = generators.leaky_folder_embeddings(for_control(files), 32)
    clusters = KMeans(10, n_init=5, random_state=0).fit_predict(found)
    assert found.index.tolist() == ids and low <= normalized_mutual_info_score(genre, clusters) <= high


# --- scripts and languages ---------------------------------------------------------------------------------------

SONGS = {
    "en": ("Latin", "I love you in the rain and the whole night is waiting for my heart to come home"),
    "fr": ("Latin", "Je t'aime sous la pluie, et toute la nuit attend que mon cœur revienne à la maison"),
    "ru": ("Cyrillic", "Я люблю тебя под дождём, и всю ночь моё сердце ждёт дороги домой"),
    "el": ("Greek", "Σ' αγαπώ μέσα στη βροχή και όλη η νύχτα περιμένει την καρδιά μου"),
    "ja": ("Hiragana", "雨の中であなたを愛しています。夜はずっと心の帰りを待っている"),
    "zh": ("Han", "我在雨中爱着你，整个夜晚都在等我的心回家"),
    "th": ("Thai", "ฉันรักเธอท่ามกลางสายฝนและทั้งคืนรอให้หัวใจของฉันกลับบ้าน"),
    "ko": ("Hangul", "비 속에서 너를 사랑해 온 밤이 내 마음이 집에 오기를 기다려"),
    "ar": ("Arabic", "أحبك تحت المطر والليل كله ينتظر قلبي أن يعود إلى البيت"),
    "hi": ("Devanagari", "मैं तुमसे बारिश में प्यार करता हूँ और सारी रात मेरे दिल का इंतज़ार करती है"),
    "he": ("Hebrew", "אני אוהב אותך בגשם וכל הלילה מחכה שהלב שלי יחזור הביתה"),
}


@pytest.mark.parametrize("code", SONGS)
def test_scripts_languages_and_words_of_each(code):
    script, text = SONGS[code]
    assert languages.script(text) == script and languages.language(text) == code
    words = languages.words(text)
    assert len(words) >= 8 and all(len(word) > 1 for word in words)


def test_a_summary_counts_what_has_letters():
    texts = pd.Series([*(text for _, text in SONGS.values()), "la la la la la", "", "123 !", None, SONGS["ru"][1]])
    found = languages.summary(texts)
    assert found["texts"].sum() == len(SONGS) + 2 and found.iloc[0][["script", "language", "texts"]].tolist() == [
        "Cyrillic", "ru", 2]
    assert languages.UNKNOWN in set(found["language"]) and found["share"].sum() == pytest.approx(1)
    assert languages.summary(pd.Series(["", None])).empty


def test_words_forgive_case_and_accents_and_keep_letters_apart():
    assert languages.words("Don’t BE Café-crème a") == ["dont", "be", "cafe", "creme"]
    assert languages.words("ΆΝΟΙΞΗ") == languages.words("ανοιξη") and languages.words("ｌｏｖｅ") == ["love"]
    assert languages.words("か") != languages.words("が") and languages.words("की") != languages.words("का")
    assert languages.words("愛してる rain") == ["rain", "愛し", "して", "てる", "愛して", "してる"]


@given(st.text(max_size=40))
def test_words_of_anything(text):
    words = languages.words(text)
    assert all(word and not any(map(str.isspace, word)) for word in words)
    assert languages.plain(languages.plain(text)) == languages.plain(text)
    assert languages.script(text) == "" or any(map(str.isalpha, text))


@pytest.mark.parametrize("code", SONGS)
def test_topics_are_found_in_every_script(code):
    """Two halves of a text's words as topics: tracks of one topic lie together, in scripts without spaces too."""
    text, rng = SONGS[code][1], np.random.default_rng(0)
    spaced = " " in text
    units = text.split() if spaced else [text[i : i + 4] for i in range(0, len(text), 4)]
    halves = units[: len(units) // 2], units[len(units) // 2 :]
    made = [(" " if spaced else "").join(rng.choice(halves[i % 2], 8)) for i in range(40)]
    found = lyrics.embed(pd.Series(made, [f"t{i:02d}" for i in range(40)]), 4)
    clusters = KMeans(2, n_init=5, random_state=0).fit_predict(found)
    assert normalized_mutual_info_score(np.arange(40) % 2, clusters) == 1


# --- sentence-transformers ---------------------------------------------------------------------------------------

PARTS = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
         for i, (kind, path) in enumerate([("Transformer", ""), ("Pooling", "1_Pooling")])]


def model_folder(path, parts=PARTS, weights="model.safetensors"):
    (path / "1_Pooling").mkdir(parents=True)
    (path / "modules.json").write_text(json.dumps(parts))
    (path / weights).write_bytes(b"")
    return path


def test_a_model_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    for model, says in [("no_such_model", "no folder and no package"), (str(tmp_path), "no sentence-transformer in"),
                        ("all-MiniLM-L6-v2", "nothing is downloaded"), ("./model", "no sentence-transformer in"),
                        ("numpy", "package 'numpy' holds no sentence-transformer")]:
        with pytest.raises(Problem, match=says):
            lyrics.embed(topics(), 4, embedder=f"sentence:{model}")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(Problem, match=r"pip install -e '\.\[sentence\]'"):
        lyrics.embed(topics(), 4, embedder=f"sentence:{model_folder(tmp_path / 'model')}")
    with pytest.raises(Problem, match="lyrics_embedder"):
        load(settings={"lyrics_embedder": "bert"})


@pytest.mark.parametrize(("parts", "weights", "says"), [
    (PARTS, "pytorch_model.bin", "no .safetensors weights"),
    ([{"type": "os.system", "path": "x"}], "model.safetensors", "code of its own"),
    ([{"type": "sentence_transformers.models.Evil", "path": ""}], "model.safetensors", "code of its own"),
    ([{"type": "sentence_transformers.models.Dense", "path": "../.."}], "model.safetensors", "outside of its folder"),
    ("words", "model.safetensors", "cannot be read"), ([5], "model.safetensors", "cannot be read")])
def test_models_that_could_run_code_are_refused(tmp_path, parts, weights, says):
    with pytest.raises(Problem, match=says):
        sentence_embeddings.find(str(model_folder(tmp_path / "model", parts, weights)))


def test_pieces_are_whole_lines_and_lose_nothing():
    text = "\n".join([*(f"line {i} of it" for i in range(200)), "x" * 2000, "", "end"])
    pieces = sentence_embeddings.pieces_of(text)
    assert all(len(piece) <= sentence_embeddings.PIECE + 2 for piece in pieces) and len(pieces) > 4
    assert "".join(pieces).replace("\n", "") == text.replace("\n", "")
    assert sentence_embeddings.pieces_of("") == [""]


def test_vectors_are_kept_by_content(tmp_path, monkeypatch):
    """A made-up model in the place of a real one: one vector per piece, known only to it."""
    asked = []

    class Model:
        def encode(self, pieces, **how):
            asked.extend(pieces)
            return np.stack([np.random.default_rng(len(p)).standard_normal(6) for p in pieces]).astype(np.float32)

    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sentence_embeddings, "_model", lambda folder: Model())
    folder = model_folder(tmp_path / "model")
    texts = ["a", "bcd", "a", "e" * 3000]
    first = sentence_embeddings.encode(texts, str(folder))
    assert first.shape == (4, 6) and len(asked) == 1 + 1 + 5 and (first[0] == first[2]).all()
    again = sentence_embeddings.encode([*texts[::-1], "new"], str(folder))
    assert asked[7:] == ["new\n"] and (again[:4] == first[::-1]).all()
    next((tmp_path / "cache").rglob("*.npy")).write_bytes(b"broken")
    assert np.allclose(sentence_embeddings.encode(texts, str(folder)), first) and len(asked) > 8
    sentence_embeddings._fingerprint.cache_clear()
    (folder / "config.json").write_text("{}")
    asked.clear()
    sentence_embeddings.encode(texts, str(folder))
    assert len(asked) == 7, "another model has vectors of its own"


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """A real sentence-transformer with random weights, as small as they come."""
    pytest.importorskip("sentence_transformers", reason="the extra [sentence] is not installed")
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path = tmp_path_factory.mktemp("bert")
    words = "rain river sea storm water cloud money street car".split()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (path / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(vocabulary), **shape)).save_pretrained(path)
    part = models.Transformer(str(path))
    SentenceTransformer(modules=[part, models.Pooling(16)]).save(str(path / "whole"))
    return path / "whole"


def test_a_real_sentence_transformer(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_GENRE_CACHE", str(tmp_path))
    texts = topics()
    texts.iloc[3] = ""
    found = lyrics.embed(texts, 5, embedder=f"sentence:{tiny_model}")
    assert found.shape == (60, 5) and found.isna().all(axis=1).sum() == 1
    np.testing.assert_allclose(np.linalg.norm(found.dropna(), axis=1), 1)
    shuffled = texts.sample(frac=1, random_state=1)
    again = lyrics.embed(shuffled, 5, embedder=f"sentence:{tiny_model}").loc[texts.index]
    np.testing.assert_allclose(again, found, atol=1e-9)
    (tiny_model / "model.safetensors").write_bytes(b"broken")
    sentence_embeddings._fingerprint.cache_clear()
    sentence_embeddings._model.cache_clear()
    with pytest.raises(Problem, match="cannot be loaded"):
        lyrics.embed(topics(), 5, embedder=f"sentence:{tiny_model}")
