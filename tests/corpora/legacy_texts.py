"""Texts in legacy encodings, to measure how many are read, refused and read wrongly: words of our own lists, drawn anew.

    python -m tests.corpora.legacy_texts [texts] [seed]
"""

import random
import sys
from collections import Counter

from lib.corpora import lyrics_encodings

WORDS = {  # by language: words as songs have them
    "cs": "noc láska srdce měsíc vítr déšť hvězda oči voda cesta domů kůň žluťoučký příliš večer ráno slunce nebe země "
    "já tě chci vědět proč už není nikdy zase spolu písnička zpívám tančí řeka město ulice děvče kluk svět čas život smrt "
    "pláče směje dlouhá tichá černá bílá červená když jsem byl malý říkal mi táta že každý den je nový když ty a se na do",
    "pl": "noc miłość serce księżyc wiatr deszcz gwiazda oczy woda droga dom wieczór słońce niebo ziemia ja ciebie chcę "
    "wiedzieć dlaczego już nie nigdy znowu razem piosenka śpiewam tańczy rzeka miasto ulica dziewczyna chłopak świat czas "
    "życie śmierć płacze śmieje długa cicha czarna biała czerwona kiedy byłem mały mówił mi tata że każdy dzień jest nowy się",
    "sk": "noc láska srdce mesiac vietor dážď hviezda oči voda cesta domov kôň večer ráno slnko nebo zem ja ťa chcem vedieť "
    "prečo už nie nikdy zase spolu pieseň spievam tancuje rieka mesto ulica dievča chlapec svet čas život smrť plače smeje "
    "dlhá tichá čierna biela červená keď som bol malý hovoril mi otec že každý deň je nový ľúbim ťažké stĺp vŕba môj sa na do",
    "hu": "éjszaka szerelem szív hold szél eső csillag szemek víz út haza este reggel nap ég föld én téged akarlak tudni "
    "miért már nem soha megint együtt dal énekelek táncol folyó város utca lány fiú világ idő élet halál sír nevet hosszú "
    "csendes fekete fehér vörös amikor kicsi voltam mondta apám hogy minden nap új őszi tűz nő gyümölcs a az és egy volt",
    "hr": "noć ljubav srce mjesec vjetar kiša zvijezda oči voda cesta kući večer jutro sunce nebo zemlja ja tebe želim znati "
    "zašto više nikad opet zajedno pjesma pjevam pleše rijeka grad ulica djevojka dečko svijet čas život smrt plače smije "
    "duga tiha crna bijela crvena kad sam bio mali govorio mi otac da svaki dan je nov šuma žena đavo noću kuća se na i u",
    "ro": "noapte dragoste inimă lună vânt ploaie stea ochi apă drum acasă seara dimineaţa soare cer pământ eu te vreau să "
    "ştiu de ce niciodată iarăşi împreună cântec cânt dansează râu oraş stradă fată băiat lume timp viaţă moarte plânge râde "
    "lungă tăcută neagră albă roşie când eram mic îmi spunea tata că fiecare zi este nouă şi ţară însă mâine în pe la",
    "sl": "noč ljubezen srce mesec veter dež zvezda oči voda cesta domov večer jutro sonce nebo zemlja jaz tebe želim vedeti "
    "zakaj nikoli spet skupaj pesem pojem pleše reka mesto ulica dekle fant svet čas življenje smrt joče smeje dolga tiha "
    "črna bela rdeča ko sem bil majhen mi je govoril oče da je vsak dan nov še že hiša otrok si in na se v",
    "tr": "gece aşk kalp ay rüzgâr yağmur yıldız gözler su yol ev akşam sabah güneş gök toprak ben seni istiyorum bilmek neden "
    "artık değil asla yine birlikte şarkı söylüyorum dans ediyor nehir şehir sokak kız çocuk dünya zaman hayat ölüm ağlıyor "
    "gülüyor uzun sessiz kara beyaz kırmızı ben küçükken babam bana her gün yeni derdi ışık ağaç çiçek üstünde bir ve bu",
    "lt": "naktis meilė širdis mėnuo vėjas lietus žvaigždė akys vanduo kelias namo vakaras rytas saulė dangus žemė aš tave "
    "noriu žinoti kodėl jau niekada vėl kartu daina dainuoju šoka upė miestas gatvė mergaitė berniukas pasaulis laikas "
    "gyvenimas mirtis verkia juokiasi ilga tyli juoda balta raudona kai buvau mažas sakė man tėvas kad kiekviena diena yra "
    "nauja žąsys skrenda į šiaurę ąžuolas ir su ne",
    "lv": "nakts mīlestība sirds mēness vējš lietus zvaigzne acis ūdens ceļš mājās vakars rīts saule debesis zeme es tevi gribu "
    "zināt kāpēc vairs nekad atkal kopā dziesma dziedu dejo upe pilsēta iela meitene zēns pasaule laiks dzīve nāve raud "
    "smejas gara klusa melna balta sarkana kad biju mazs teica man tēvs ka katra diena ir jauna šūpoles ķirsis ģimene un ar",
    "et": "öö armastus süda kuu tuul vihm täht silmad vesi tee koju õhtu hommik päike taevas maa mina sind tahan teada miks "
    "enam mitte kunagi jälle koos laul laulan tantsib jõgi linn tänav tüdruk poiss maailm aeg elu surm nutab naerab pikk "
    "vaikne must valge punane kui olin väike ütles mulle isa et iga päev on uus õunapuu võib ja ei see",
    "ru": "ночь любовь сердце луна ветер дождь звезда глаза вода дорога домой вечер утро солнце небо земля я тебя хочу знать "
    "почему уже нет никогда снова вместе песня пою танцует река город улица девушка мальчик мир время жизнь смерть плачет "
    "смеётся длинная тихая чёрная белая красная когда я был маленький говорил мне отец что каждый день новый и в не на",
    "uk": "ніч кохання серце місяць вітер дощ зірка очі вода дорога додому вечір ранок сонце небо земля я тебе хочу знати чому "
    "вже немає ніколи знову разом пісня співаю танцює річка місто вулиця дівчина хлопець світ час життя смерть плаче сміється "
    "довга тиха чорна біла червона коли я був малий казав мені батько що кожен день новий її ґанок і в не на",
    "bg": "нощ любов сърце луна вятър дъжд звезда очи вода път вкъщи вечер утро слънце небе земя аз теб искам да знам защо вече "
    "няма никога отново заедно песен пея танцува река град улица момиче момче свят време живот смърт плаче смее дълга тиха "
    "черна бяла червена когато бях малък казваше ми баща ми че всеки ден е нов щастие и в не на",
    "el": "νύχτα αγάπη καρδιά φεγγάρι άνεμος βροχή αστέρι μάτια νερό δρόμος σπίτι βράδυ πρωί ήλιος ουρανός γη εγώ εσένα θέλω να "
    "ξέρω γιατί πια ποτέ ξανά μαζί τραγούδι τραγουδώ χορεύει ποτάμι πόλη κορίτσι αγόρι κόσμος χρόνος ζωή θάνατος κλαίει γελάει "
    "μεγάλη ήσυχη μαύρη άσπρη κόκκινη όταν ήμουν μικρός μου έλεγε ο πατέρας πως κάθε μέρα είναι καινούρια και το στο",
    "de": "nacht liebe herz mond wind regen stern augen wasser weg haus abend morgen sonne himmel erde ich dich will wissen warum "
    "schon nicht niemals wieder zusammen lied singe tanzt fluss stadt straße mädchen junge welt zeit leben tod weint lacht lang "
    "still schwarz weiß rot als ich klein war sagte mein vater dass jeder tag neu ist über flüsse schöner träume für grün und",
    "fr": "nuit amour cœur lune vent pluie étoile yeux eau chemin maison soir matin soleil ciel terre je te veux savoir pourquoi "
    "déjà jamais encore ensemble chanson chante danse rivière ville rue fille garçon monde temps vie mort pleure rit longue "
    "tranquille noire blanche rouge quand j'étais petit mon père me disait que chaque jour est nouveau où être à la forêt ça et",
    "es": "noche amor corazón luna viento lluvia estrella ojos agua camino casa tarde mañana sol cielo tierra yo te quiero saber "
    "por qué ya no nunca otra vez juntos canción canto baila río ciudad calle niña niño mundo tiempo vida muerte llora ríe larga "
    "tranquila negra blanca roja cuando era pequeño me decía mi padre que cada día es nuevo está más también soñar y el la",
    "pt": "noite amor coração lua vento chuva estrela olhos água caminho casa tarde manhã sol céu terra eu te quero saber por que "
    "já não nunca outra vez juntos canção canto dança rio cidade rua menina menino mundo tempo vida morte chora ri longa calma "
    "negra branca vermelha quando eu era pequeno meu pai dizia que cada dia é novo está também você mãe e o a",
    "it": "notte amore cuore luna vento pioggia stella occhi acqua strada casa sera mattina sole cielo terra io ti voglio sapere "
    "perché già mai ancora insieme canzone canto balla fiume città via ragazza ragazzo mondo tempo vita morte piange ride lunga "
    "tranquilla nera bianca rossa quando ero piccolo mio padre diceva che ogni giorno è nuovo più così sarà felicità e il la",
    "sv": "natt kärlek hjärta måne vind regn stjärna ögon vatten väg hem kväll morgon sol himmel jord jag dig vill veta varför "
    "redan inte aldrig igen tillsammans sång sjunger dansar flod stad gata flicka pojke värld tid liv död gråter skrattar lång "
    "stilla svart vit röd när jag var liten sa min far att varje dag är ny över ängen och på",
    "da": "nat kærlighed hjerte måne vind regn stjerne øjne vand vej hjem aften morgen sol himmel jord jeg dig vil vide hvorfor "
    "allerede ikke aldrig igen sammen sang synger danser flod by gade pige dreng verden tid liv død græder ler lang stille sort "
    "hvid rød når jeg var lille sagde min far at hver dag er ny over ængen og på små blå",
    "fi": "yö rakkaus sydän kuu tuuli sade tähti silmät vesi tie kotiin ilta aamu aurinko taivas maa minä sinut tahdon tietää "
    "miksi enää ei koskaan taas yhdessä laulu laulan tanssii joki kaupunki katu tyttö poika maailma aika elämä kuolema itkee "
    "nauraa pitkä hiljainen musta valkoinen punainen kun olin pieni sanoi isäni että joka päivä on uusi ja",
    "is": "nótt ást hjarta tungl vindur regn stjarna augu vatn vegur heim kvöld morgunn sól himinn jörð ég þig vil vita hvers vegna "
    "ekki aldrei aftur saman söngur syng dansar fljót borg gata stelpa strákur heimur tími líf dauði grætur hlær löng kyrr svört "
    "hvít rauð þegar ég var lítill sagði faðir minn að hver dagur er nýr það ævi og á",
    "en": "night love heart moon wind rain star eyes water road home evening morning sun sky earth I want you to know why already "
    "never again together song sing dance river town street girl boy world time life death don’t cry can’t laugh it’s long quiet "
    "black white red when I was young my father said that every day is new café “baby” we’ll and the of",
    "zh": "河水 在 夜里 歌唱 石头 安静 月亮 星星 我 爱 你 不 知道 为什么 已经 没有 永远 一起 唱歌 跳舞 城市 街道 女孩 男孩 世界 时间 生命 死亡 "
    "哭泣 笑着 黑色 白色 红色 小时候 父亲 说 每天 都是 新的 风 雨 天空 眼睛 心 回家 路上",
    "zh-hant": "河水 在 夜裡 歌唱 石頭 安靜 月亮 星星 我 愛 你 不 知道 為什麼 已經 沒有 永遠 一起 唱歌 跳舞 城市 街道 女孩 男孩 世界 時間 生命 "
    "死亡 哭泣 笑著 黑色 白色 紅色 小時候 父親 說 每天 都是 新的 風 雨 天空 眼睛 心 回家 路上",
    "ja": "川は 夜に 歌う 石は 静か 月が 星を 私は あなたを 愛して 知りたい なぜ もう ない いつまでも 一緒に 踊る 町の 通り 少女 少年 世界 時間 命 "
    "泣いて 笑って 黒い 白い 赤い 小さい 頃 父は 言った 毎日 新しい 風 雨 空 目 心 帰る 道 キラキラ メロディー",
    "ko": "강은 밤에 노래한다 돌은 조용해 달이 별을 나는 너를 사랑해 알고 싶어 왜 이제 없어 영원히 함께 춤추는 도시 거리 소녀 소년 세상 시간 생명 "
    "울고 웃고 검은 하얀 빨간 어릴 때 아버지가 말했어 매일 새로운 바람 비 하늘 눈 마음 집으로 가는 길",
}
CODECS = {  # by language: the encodings in which such texts were written
    **dict.fromkeys(("cs", "sk", "hu", "pl"), ("cp1250", "iso8859_2", "cp852", "mac_latin2")),
    **dict.fromkeys(("hr", "sl"), ("cp1250", "iso8859_2", "cp852", "mac_croatian")),
    "ro": ("cp1250", "iso8859_2", "cp852"),
    "tr": ("cp1254", "iso8859_9", "cp857", "mac_turkish"),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257", "iso8859_13", "cp775")),
    "ru": ("cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic"),
    "uk": ("cp1251", "koi8_u", "iso8859_5", "mac_cyrillic"),
    "bg": ("cp1251", "cp866", "iso8859_5", "mac_cyrillic"),
    "el": ("cp1253", "iso8859_7", "cp737", "mac_greek"),
    **dict.fromkeys(("de", "fr", "es", "pt", "it", "sv", "da", "fi", "is", "en"), ("cp1252", "mac_roman", "cp850")),
    "zh": ("gbk", "gb18030"), "zh-hant": ("big5",), "ja": ("shift_jis", "euc_jp"), "ko": ("euc_kr", "cp949"),
}  # fmt: skip
SINGLE = [language for language in CODECS if not language.startswith(("zh", "ja", "ko"))]


def texts(n: int, seed: int, languages: list[str]):
    """`n` times (language, encoding, text) of 20 to 120 words in lines, as far as that encoding has their letters."""
    rng, made = random.Random(seed), 0
    while made < n:
        language = rng.choice(languages)
        codec = rng.choice(CODECS[language])
        words = WORDS[language].split()
        lines = [" ".join(rng.choices(words, k=rng.randint(3, 8))) for _ in range(rng.randint(7, 15))]
        how = rng.choice((str.lower, str.lower, str.capitalize, str.capitalize, str.upper))
        text = "\n".join(map(how, lines))
        text = text.encode(codec, "ignore").decode(codec)
        if not text.isascii():
            made += 1
            yield language, codec, text


def measure(n: int, seed: int, languages: list[str]) -> tuple[Counter, Counter, list[tuple[str, str, str, str]]]:
    """Texts by (language, encoding), those refused, and (language, encoding, as read, text) of those read wrongly."""
    tried, refused, wrong = Counter(), Counter(), []
    for language, codec, text in texts(n, seed, languages):
        tried[language, codec] += 1
        try:
            read, name = lyrics_encodings.decode(text.encode(codec))
        except ValueError:
            refused[language, codec] += 1
        else:
            if read != text:
                wrong.append((language, codec, name, text, read))
    return tried, refused, wrong


def main(n: int = 500, seed: int = 0) -> None:
    for what, languages in (("8-bit encodings", SINGLE), ("all encodings", list(CODECS))):
        tried, refused, wrong = measure(n, seed, languages)
        print(f"{what}: {n} texts (seed {seed}), {len(wrong)} read wrongly, {sum(refused.values()) / n:.1%} refused")
        for key, count in sorted(tried.items()):
            if refused[key]:
                print(f"  {key[0]} in {key[1]}: {refused[key]} of {count} refused")
        for language, codec, name, text, read in wrong[:20]:
            print(f"  {language} in {codec} read as {name}: {text[:60]!r} {read[:60]!r}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
