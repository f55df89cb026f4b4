"""Prompts for the benchmark of the history: English words, and Chinese, Japanese and Korean
sentences of varying subjects, places, styles and names."""

from __future__ import annotations

import random

ENGLISH = """
tiger apple castle forest river robot portrait city night sunset ocean mountain dragon cat dog
flower garden train bridge tower snow desert storm light shadow gold silver red green blue
background highly detailed oil painting watercolor photograph cinematic volumetric lighting
sharp focus trending masterpiece by the old master wide angle close up
""".split()  # noqa: SIM905 - read as a text

_CHINESE = (
    "一位{w}的{s}站在{p}里，{l}，{t}，最高画质，杰作",
    "{l}下的{p}，{s}正在{v}，背景是{w}的{p}，{t}",
    "{t}：{w}的{s}和{n}一起{v}，细节丰富，{l}",
    "请画出{n}笔下{w}的{p}，远处有{s}，{l}",
)
_CHINESE_WORDS = {
    "w": "古老 美丽 神秘 巨大 年轻 孤独 金色 透明 破旧 华丽 安静 红色 深蓝色 未来主义".split(),  # noqa: SIM905
    "s": "女孩 老虎 武士 机器人 猫 白马 龙 渔夫 舞者 宇航员 狐狸 将军 小鸟 诗人 熊猫".split(),  # noqa: SIM905
    "p": "森林 城市 寺庙 海边 雪山 花园 图书馆 沙漠 竹林 街道 宫殿 湖 太空站 古镇".split(),  # noqa: SIM905
    "l": "柔和的光线 夕阳 霓虹灯 月光 清晨的薄雾 电影般的光影 逆光 星空 暴风雨 体积光".split(),  # noqa: SIM905
    "t": "水墨画 油画 赛博朋克风格 写实摄影 动漫风格 浮世绘 像素艺术 国画 三维渲染".split(),  # noqa: SIM905
    "v": "喝茶 跳舞 读书 飞翔 下棋 弹琴 奔跑 钓鱼 看日出 写字".split(),  # noqa: SIM905
}
_JAPANESE = (
    "{p}で{v}いる{w}{s}、{l}、{t}、高画質",
    "{l}に照らされた{p}。{w}{s}が{n}と{v}いる",
    "{t}の{s}、背景は{w}{p}、{l}の雰囲気",
    "{n}が描いた{w}{p}に{s}が一匹、{l}",
)
_JAPANESE_WORDS = {
    "w": "美しい 古い 青い 大きな 可愛い 孤独な 不思議な 黄金の 白い 未来的な 静かな".split(),  # noqa: SIM905
    "s": "猫 女の子 侍 ロボット 虎 竜 狐 魔法使い 宇宙飛行士 うさぎ 少年 人魚 鳥".split(),  # noqa: SIM905
    "p": "森 神社 東京の街 海辺 雪山 図書館 お城 宇宙 桜並木 砂漠 カフェ 廃墟 駅のホーム".split(),  # noqa: SIM905
    "l": "夕焼け 月明かり 木漏れ日 ネオンの光 朝霧 星空 逆光 シネマティックな光 雷雨".split(),  # noqa: SIM905
    "t": "水彩画 油絵 アニメ調 浮世絵 写真 ドット絵 サイバーパンク 水墨画 鉛筆画".split(),  # noqa: SIM905
    "v": "踊って 本を読んで 眠って お茶を飲んで 空を見上げて 走って 歌って 釣りをして".split(),  # noqa: SIM905
}
_KOREAN = (
    "{w} {s}가 {p}에서 {v} 있는 모습, {l}, {t}",
    "{l} 아래의 {p}, {w} {s}와 {n}의 {t}, 고화질",
    "{t}으로 그린 {w} {p}와 {s}, 배경은 {l}",
    "{n}이 그린 {p}의 {w} {s}, {l}",
)
_KOREAN_WORDS = {
    "w": "아름다운 오래된 파란 거대한 신비로운 외로운 황금빛 하얀 미래적인 조용한".split(),  # noqa: SIM905
    "s": "고양이 호랑이 소녀 전사 로봇 여우 마법사 우주비행사 토끼 어부 판다 나비".split(),  # noqa: SIM905
    "p": "숲 도시 바닷가 설산 도서관 궁궐 사막 정원 골목길 우주 카페 대나무숲".split(),  # noqa: SIM905
    "l": "노을빛 달빛 네온사인 아침안개 별빛 역광 시네마틱조명 폭풍우 햇살".split(),  # noqa: SIM905
    "t": "수채화 유화 애니메이션풍 수묵화 사진 픽셀아트 사이버펑크 민화 연필화".split(),  # noqa: SIM905
    "v": "춤추고 책을읽고 잠자고 차를마시고 하늘을보고 달리고 노래하고 낚시하고".split(),  # noqa: SIM905
}
_LANGUAGES = (
    (_CHINESE, _CHINESE_WORDS, (0x4E00, 0x9FA5)),
    (_JAPANESE, _JAPANESE_WORDS, (0x4E00, 0x7FFF)),
    (_KOREAN, _KOREAN_WORDS, (0xAC00, 0xD7A3)),
)

QUERIES = (
    *("tiger blue", "masterpiece", "w>=768 castle", "model:pocket night", '"oil painting"'),
    *("猫", "女の子", "老虎", "水墨画", "고양이", "양이", "シネマティックな光", "電影"),
    *("夕焼けに照らされた", "猫 masterpiece", "月光 -油画", "森林 w>=768", "cat 女孩 最高画质"),
    *('"最高画质"', "model:pocket 神社", "アニメ調の猫", "배경은 달빛"),
)
"""Searched after every letter, as somebody types them."""

HARD = (
    *("a", "the -tiger", "w>=512 l", "star:yes", "date:2024 s", "-model:pocket", "steps<30"),
    *("的", "の", "、", "에", "的 の", "-的", "のいる", "-猫 s", "a 가", "🐯"),
    "柔和的光线下的森林，女孩正在喝茶，背景是古老的寺庙，水墨画",
)
"""Searched whole: common letters, negations, and what is not there."""


def prompt(chance: random.Random, number: int) -> str:
    """Return a prompt; every third one is a text in Chinese, Japanese or Korean."""
    if number % 3:
        return " ".join(chance.choices(ENGLISH, k=chance.randint(6, 40)))
    sentences, words, letters = _LANGUAGES[number // 3 % len(_LANGUAGES)]
    parts = []
    for sentence in chance.sample(sentences, k=chance.randint(1, 4)):
        name = "".join(_letter(chance, *letters) for _ in range(chance.randint(2, 3)))
        chosen = {key: chance.choice(each) for key, each in words.items()}
        parts.append(sentence.format(n=name, **chosen))
    parts += chance.choices(ENGLISH, k=chance.choice((0, 0, 3, 8)))
    return ", ".join(parts)


def _letter(chance: random.Random, first: int, last: int) -> str:
    """A letter of a name: mostly one of a few hundred, sometimes any."""
    return chr(first + int((last - first) * chance.random() ** 6))
