"""The objects of the pocket model: pictures of Fluent emoji and their names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """An object; `code` is its file in the npm package (Unicode code points in hex)."""

    code: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.names[0]


_TABLE = """
1f431 cat, kitty, kitten, cat face
1f436 dog, puppy, dog face
1f42f tiger, tiger face
1f981 lion, lion face
1f98a fox, red fox
1f43b bear, brown bear, grizzly
1f43c panda, panda bear
1f428 koala, koala bear
1f438 frog, green frog, toad
1f435 monkey, monkey face, ape
1f430 rabbit, bunny, hare
1f437 pig, pink pig, piglet
1f42e cow, cow face
1f42d mouse, mouse face, rat
1f984 unicorn
1f418 elephant
1f992 giraffe
1f427 penguin
1f413 rooster, cock, hen
1f424 chick, baby chick, yellow chick
1f989 owl
1f986 duck, mallard
1f99c parrot
1f9a9 flamingo, pink flamingo
1f422 turtle, tortoise
1f40d snake, green snake
1f996 dinosaur, t-rex, tyrannosaurus
1f433 whale, blue whale
1f420 fish, tropical fish
1f419 octopus
1f980 crab, red crab
1f98b butterfly, red butterfly
1f41d bee, honeybee, honey bee
1f41e ladybug, ladybird, beetle
1f577-fe0f spider
1f339 rose, red rose
1f33b sunflower
1f338 flower, cherry blossom, blossom
1f333 tree, green tree, oak
1f334 palm tree, palm, coconut tree
1f335 cactus
1f341 maple leaf, autumn leaf, leaf
1f344 mushroom, red mushroom, toadstool
1f347 grapes, bunch of grapes, purple grapes
1f349 watermelon, slice of watermelon
1f34a orange, tangerine, mandarin
1f34b lemon, yellow lemon
1f34c banana, yellow banana
1f34d pineapple
1f34e apple, red apple
1f350 pear, green pear
1f352 cherry, cherries, red cherries
1f353 strawberry, red strawberry
1f95d kiwi, kiwi fruit
1f345 tomato, red tomato
1f951 avocado
1f346 eggplant, aubergine
1f955 carrot
1f35e bread, loaf of bread, toast
1f950 croissant
1f9c0 cheese, piece of cheese, cheese wedge
1f354 hamburger, burger, cheeseburger
1f35f fries, french fries, chips
1f355 pizza, slice of pizza, pizza slice
1f32d hot dog, sausage
1f373 fried egg, egg, egg in a pan
1f37f popcorn, bag of popcorn
1f366 ice cream, ice cream cone, soft ice cream
1f369 donut, doughnut
1f36a cookie, biscuit, chocolate chip cookie
1f382 birthday cake, cake
1f9c1 cupcake, muffin
1f36d lollipop, candy
2615 coffee, cup of coffee, cup of tea, tea
1f37a beer, mug of beer, glass of beer
1f697 car, red car, automobile
1f695 taxi, yellow taxi, cab
1f68c bus, school bus
1f692 fire truck, fire engine
1f69c tractor
1f6b2 bicycle, bike
1f682 train, steam train, locomotive
26f5 sailboat, sailing boat, boat
2708-fe0f airplane, plane, aeroplane, jet
1f680 rocket, spaceship, rocket ship
1f6f8 ufo, flying saucer
1f3e0 house, home
1f3f0 castle
1f30b volcano
1f30d earth, globe, planet earth, world
1fa90 planet, saturn, ringed planet
1f31e sun, sunshine, sun with a face
1f319 moon, crescent moon, half moon
2b50 star, yellow star, gold star
2601-fe0f cloud, white cloud
1f308 rainbow
26a1 lightning, lightning bolt, thunderbolt
2744-fe0f snowflake, snow
26c4 snowman
1f525 fire, flame
1f4a7 water drop, drop of water, droplet, water
23f0 alarm clock, clock
1f6a6 traffic light, traffic lights
1f388 balloon, red balloon
1f381 gift, present, gift box
1f3c6 trophy, gold cup, golden trophy
26bd football, soccer ball, ball
1f3c0 basketball
1f3b8 guitar, electric guitar
1f451 crown, golden crown, gold crown
1f3a9 top hat, hat, black hat
1f48e diamond, gem, jewel, blue diamond
1f511 key, golden key, gold key
1f4a1 light bulb, lamp, lightbulb
1f4f7 camera
1f4fa television, tv, tv set
1f4bb laptop, computer, notebook
1f4a3 bomb
1f383 pumpkin, halloween pumpkin, jack-o-lantern
1f384 christmas tree, xmas tree
2764-fe0f heart, red heart, love
1f47b ghost
1f916 robot, robot face
1f47d alien, alien face
1f480 skull
1f600 smiley, smiley face, smile, happy face
1f455 t-shirt, shirt, green shirt
1f576-fe0f sunglasses, glasses
"""

THINGS: tuple[Thing, ...] = tuple(
    Thing(code, tuple(name.strip() for name in names.split(",")))
    for code, names in (line.split(maxsplit=1) for line in _TABLE.strip().splitlines())
)
