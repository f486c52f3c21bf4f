"""Signs as a camera may see them: drawn panels put into photos, with light, blur and grain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from making.ink import centred, fit, font, photograph, place

SIZE = (1200, 900)
Photos = Callable[[str], Image.Image]


def bricks(size: tuple[int, int], seed: int) -> Image.Image:
    """Draw a wall of bricks."""
    rng = np.random.default_rng(seed)
    wall = Image.new("RGB", size, (176, 166, 152))
    draw = ImageDraw.Draw(wall)
    for row, y in enumerate(range(0, size[1], 46)):
        for x in range(-60 * (row % 2), size[0], 120):
            shade = rng.normal(0, 12, 3) + rng.normal(0, 14)
            fill = tuple(int(v) for v in np.clip(np.array((152, 84, 62)) + shade, 0, 255))
            draw.rounded_rectangle((x, y, x + 112, y + 38), 4, fill=fill)
    pixels = np.asarray(wall).astype(np.float32)
    rough = rng.normal(0, 1, (size[1], size[0], 1)) * 9
    return Image.fromarray(np.clip(pixels + rough, 0, 255).astype(np.uint8))


def blurred(photo: Image.Image, radius: float, light: float = 1.0) -> Image.Image:
    """Return a photo as a background out of focus."""
    scene = fit(photo, SIZE).filter(ImageFilter.GaussianBlur(radius))
    return ImageEnhance.Brightness(scene).enhance(light)


def shop(photos: Photos) -> Image.Image:
    """A board above a shop window."""
    scene = bricks(SIZE, 1)
    board = Image.new("RGBA", (1500, 420), (24, 66, 56, 255))
    draw = ImageDraw.Draw(board)
    draw.rounded_rectangle((18, 18, 1482, 402), 16, outline=(222, 190, 118), width=6)
    centred(draw, (750, 150), "Café Lumière", "serif bold", 168, (240, 214, 150))
    centred(draw, (750, 318), "Fresh bread & pastries since 1924", "serif", 66, (236, 226, 200))
    scene = place(scene, board, [(70, 150), (1120, 96), (1126, 400), (76, 408)])
    window = Image.new("RGBA", (1300, 640), (40, 48, 52, 255))
    inside = fit(photos("coffee"), (1240, 580)).filter(ImageFilter.GaussianBlur(9))
    window.paste(ImageEnhance.Brightness(inside).enhance(0.6), (30, 30))
    draw = ImageDraw.Draw(window)
    draw.rectangle((636, 0, 664, 640), fill=(222, 216, 204))
    plate = Image.new("RGBA", (420, 250), (246, 242, 230, 255))
    on_plate = ImageDraw.Draw(plate)
    centred(on_plate, (210, 66), "OPEN", "bold", 82, (176, 36, 32))
    centred(on_plate, (210, 148), "Mon – Sat", "body", 46, (40, 40, 40))
    centred(on_plate, (210, 204), "7:00 – 18:30", "bold", 50, (40, 40, 40))
    window.paste(plate, (770, 260))
    scene = place(scene, window, [(130, 470), (1070, 458), (1076, 960), (134, 970)])
    return photograph(scene, 21)


def street(photos: Photos) -> Image.Image:
    """A street name on a pole, hills behind."""
    scene = blurred(photos("autumn hills"), 7)
    draw = ImageDraw.Draw(scene)
    draw.rectangle((574, 150, 606, 900), fill=(112, 116, 120))
    draw.rectangle((580, 150, 588, 900), fill=(158, 162, 166))
    plate = Image.new("RGBA", (1400, 280), (20, 62, 138, 255))
    on_plate = ImageDraw.Draw(plate)
    on_plate.rounded_rectangle((12, 12, 1388, 268), 26, outline=(245, 245, 245), width=8)
    centred(on_plate, (610, 138), "Ada-Lovelace-Straße", "narrow", 128, (248, 248, 248))
    centred(on_plate, (1270, 138), "12", "narrow", 128, (248, 248, 248))
    scene = place(scene, plate, [(180, 236), (1010, 198), (1016, 372), (184, 400)])
    second = Image.new("RGBA", (1100, 220), (248, 247, 240, 255))
    on_plate = ImageDraw.Draw(second)
    on_plate.polygon([(0, 0), (980, 0), (1100, 110), (980, 220), (0, 220)], fill=(248, 247, 240))
    on_plate.line(
        [(6, 6), (978, 6), (1092, 110), (978, 214), (6, 214), (6, 6)], fill=(30, 30, 30), width=8
    )
    centred(on_plate, (500, 110), "Museum 350 m", "bold", 112, (30, 30, 30))
    scene = place(scene, second, [(330, 470), (930, 492), (928, 612), (328, 580)])
    return photograph(scene, 22)


def departures(photos: Photos) -> Image.Image:
    """A board of departures in a station."""
    scene = Image.new("RGB", SIZE, (52, 58, 64))
    draw = ImageDraw.Draw(scene)
    for index in range(12):
        x = 600 + (index - 6) * 210
        draw.line([(600 + (x - 600) * 0.4, 0), (x, 900)], fill=(66, 72, 80), width=14)
    scene = scene.filter(ImageFilter.GaussianBlur(5))
    board = Image.new("RGBA", (1600, 900), (10, 12, 14, 255))
    draw = ImageDraw.Draw(board)
    draw.rectangle((0, 0, 1600, 130), fill=(16, 54, 112))
    draw.text((50, 66), "Departures", font=font("bold", 86), fill=(250, 250, 250), anchor="lm")
    draw.text((1550, 66), "10:38", font=font("bold", 86), fill=(250, 250, 250), anchor="rm")
    rows = (
        ("10:42", "Potsdam Griebnitzsee", "3", ""),
        ("10:55", "Zürich HB", "7", ""),
        ("11:03", "København H", "1", "+15 min"),
        ("11:20", "Aix-en-Provence TGV", "12", ""),
        ("11:34", "Łódź Fabryczna", "5", "cancelled"),
        ("11:48", "San Sebastián", "9", ""),
    )
    for row, (time, place_name, platform, note) in enumerate(rows):
        y = 200 + 118 * row
        if row % 2:
            draw.rectangle((0, y - 58, 1600, y + 58), fill=(22, 24, 28))
        amber = (255, 178, 44)
        draw.text((50, y), time, font=font("mono bold", 66), fill=amber, anchor="lm")
        draw.text((310, y), place_name, font=font("sans", 62), fill=(244, 244, 240), anchor="lm")
        draw.text((1180, y), platform, font=font("mono bold", 66), fill=amber, anchor="mm")
        draw.text((1550, y), note, font=font("sans", 46), fill=(255, 96, 72), anchor="rm")
    glow = board.filter(ImageFilter.GaussianBlur(8))
    board = Image.blend(board, Image.composite(glow, board, glow.convert("L")), 0.15)
    scene = place(scene, board, [(90, 150), (1130, 110), (1120, 760), (110, 730)])
    return photograph(scene, 23, grain=5)


def poster(photos: Photos) -> Image.Image:
    """A notice about a lost cat, pinned to a wall, with a telephone number."""
    scene = bricks(SIZE, 4)
    sheet = Image.new("RGBA", (800, 1080), (250, 249, 244, 255))
    draw = ImageDraw.Draw(sheet)
    centred(draw, (400, 100), "LOST CAT", "bold", 132, (190, 30, 30))
    sheet.paste(fit(photos("chelsea"), (640, 440)), (80, 190))
    centred(draw, (400, 700), "Answers to Chelsea", "book", 66, (30, 30, 34))
    centred(draw, (400, 786), "Striped, shy, fond of fish", "book", 50, (60, 60, 64))
    # 030 23125 000 to 999 is kept free for fiction by the Bundesnetzagentur.
    centred(draw, (400, 900), "030 23125 014", "bold", 100, (30, 30, 34))
    centred(draw, (400, 1000), "Reward: one espresso", "hand", 62, (60, 60, 64))
    scene = place(scene, sheet, [(330, 50), (900, 92), (852, 862), (282, 826)])
    draw = ImageDraw.Draw(scene)
    for x, y in ((352, 76), (876, 112)):
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=(36, 70, 150))
    return photograph(scene, 24)


def trail(photos: Photos) -> Image.Image:
    """Wooden signs on a mountain, none of them straight."""
    scene = fit(photos("mountain path"), SIZE)
    draw = ImageDraw.Draw(scene)
    draw.polygon([(830, 120), (866, 120), (874, 900), (828, 900)], fill=(92, 66, 44))
    boards = (
        ("Summit trail", "2.5 km  1 h 15", [(520, 210), (1080, 90), (1110, 226), (552, 354)]),
        ("Refuge", "40 min", [(560, 452), (1050, 508), (1034, 630), (544, 566)]),
    )
    for index, (name, far, corners) in enumerate(boards):
        rng = np.random.default_rng(index)
        grain = np.cumsum(rng.normal(0, 2.4, (240, 1)), axis=0) + rng.normal(0, 3, (240, 1000))
        wood = np.clip(np.array((166, 120, 72)) + grain[..., None], 0, 255).astype(np.uint8)
        board = Image.fromarray(wood).convert("RGBA")
        on_board = ImageDraw.Draw(board)
        on_board.text(
            (50, 76), name, font=font("serif bold", 104), fill=(250, 240, 214), anchor="lm"
        )
        on_board.text((50, 182), far, font=font("bold", 66), fill=(250, 240, 214), anchor="lm")
        scene = place(scene, board, corners)
    return photograph(scene, 25)


def banner(photos: Photos) -> Image.Image:
    """A banner whose letters run upwards, as they do on the sides of buildings."""
    scene = blurred(photos("forest stream"), 8, 1.05)
    draw = ImageDraw.Draw(scene)
    draw.rectangle((0, 0, 430, 900), fill=(196, 190, 178))
    for y in range(0, 900, 75):
        draw.line([(0, y), (430, y)], fill=(180, 174, 162), width=3)
    cloth = Image.new("RGBA", (1500, 300), (148, 30, 48, 255))
    centred(ImageDraw.Draw(cloth), (750, 145), "CITY LIBRARY", "title", 170, (250, 246, 236))
    scene = place(scene, cloth, [(190, 860), (176, 60), (356, 90), (366, 850)])
    plate = Image.new("RGBA", (900, 400), (30, 34, 38, 255))
    on_plate = ImageDraw.Draw(plate)
    centred(on_plate, (450, 110), "Reading room", "book", 110, (240, 236, 224))
    centred(on_plate, (450, 230), "2nd floor · quiet please", "body", 62, (214, 208, 196))
    centred(on_plate, (450, 322), "closed on Sundays", "body", 54, (214, 208, 196))
    scene = place(scene, plate, [(590, 300), (1110, 330), (1104, 580), (584, 530)])
    return photograph(scene, 26)


def menu(photos: Photos) -> Image.Image:
    """A board with chalk."""
    rng = np.random.default_rng(9)
    slate = Image.new("RGB", (900, 1160), (42, 46, 46))
    dust = np.asarray(slate).astype(np.float32) + rng.normal(0, 5, (1160, 900, 1))
    slate = Image.fromarray(np.clip(dust, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(slate)
    draw.rectangle((12, 12, 888, 1148), outline=(130, 92, 56), width=24)
    centred(draw, (450, 130), "Today's menu", "hand", 128, (244, 240, 228))
    rows = (
        ("Gnocchi al pesto", "9,50 €"),
        ("Crème brûlée", "4,80 €"),
        ("Flat white", "3,20 €"),
        ("Fig & walnut tart", "4,50 €"),
    )
    for row, (dish, price) in enumerate(rows):
        y = 330 + 150 * row
        draw.text((80, y), dish, font=font("serif", 66), fill=(250, 224, 150), anchor="lm")
        draw.text((820, y), price, font=font("serif bold", 66), fill=(244, 240, 228), anchor="rm")
    centred(draw, (450, 1010), "Ask us about gluten free", "serif", 54, (170, 214, 190))
    scene = blurred(photos("wine bar"), 10, 0.9)
    scene = place(scene, slate.convert("RGBA"), [(330, 40), (880, 66), (862, 860), (300, 850)])
    return photograph(scene, 27)


SIGNS: dict[str, Callable[[Photos], Image.Image]] = {
    "cafe-sign": shop,
    "street-sign": street,
    "departures": departures,
    "lost-cat-poster": poster,
    "trail-signs": trail,
    "library-banner": banner,
    "chalk-menu": menu,
}
