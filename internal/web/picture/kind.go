package picture

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is what a drawing shows.
type Kind int

// The kinds. A parcel stands for what nothing else does.
const (
	Parcel Kind = iota
	Vessel
	Box
	Bag
	Ring
	Books
	Card
	Frame
	Clock
	Candle
	Cushion
	Cloth
	Plant
	Ornament
	Tools
	Bricks
	kinds // how many there are
)

// names are the kinds in addresses.
var names = [kinds]string{
	"parcel", "vessel", "box", "bag", "ring", "books", "card", "frame", "clock", "candle", "cushion", "cloth", "plant", "ornament", "tools", "bricks",
}

// hangs reports whether the kind is on the wall, and needs no table.
func (k Kind) hangs() bool { return k == Ring || k == Ornament || k == Frame || k == Clock }

// words are the words of names, by what they are drawn as: English ones in the singular, Chinese ones as parts of a name.
var words = map[Kind]string{
	Vessel: `vase mug cup teacup bowl jug pot teapot jar bottle beaker glass bucket dish plate saucer tumbler pitcher carafe egg planter cakestand goblet
		杯 碗 瓶 壶 罐 盘 碟 桶`,
	Box: `box tin case crate chest cabinet drawer trunk container bank money-box organiser tidy basket tray bin
		盒 箱 柜 篮`,
	Bag: `bag handbag purse washbag backpack rucksack shopper tote lunchbag satchel wallet
		包 袋`,
	Ring: `keyring key-ring key-chain ring necklace bracelet earring charm pendant brooch bangle jewellery jewelry chain bead
		链 戒指 耳环 钥匙 首饰`,
	Books: `book notebook sketchbook journal diary album notepad recipe
		书 本 册`,
	Card: `card paper wrap sticker napkin tissue doily doilies tag label letter postcard stationery envelope ribbon tape sheet bookmark magnet calendar
		卡 纸 贴 信`,
	Frame:  `frame mirror picture print sign poster chalkboard blackboard board plaque canvas painting 画 镜 框 牌`,
	Clock:  `clock watch timer thermometer 钟 表`,
	Candle: `candle t-light tealight lantern light lamp candlestick candleholder incense lampshade nightlight 烛 灯 香`,
	Cushion: `cushion pillow pouffe beanbag doormat mat
		垫 枕`,
	Cloth: `apron towel blanket quilt throw tablecloth cloth scarf sock shirt t-shirt tea-towel flannel curtain rug glove mitten hat oven-glove cosy jumper runner lace
		巾 布 毯 衣 衫 帽 袜 裙`,
	Plant: `flower rose daisy plant tree herb seed garden leaf bouquet cactus tulip fern
		花 树 草 植物 盆栽`,
	Ornament: `decoration ornament bell garland heart star bauble bunting wreath hanging-heart mobile dec christmas chime snowflake windmill butterfly bird angel fairy feather
		饰 星 挂`,
	Tools: `spoon fork knife cutlery spatula whisk pen pencil ruler brush comb scissors straw chopstick tool opener screwdriver peg crayon
		笔 刀 叉 勺 筷 尺 梳`,
	Bricks: `toy doll game puzzle block brick teddy jigsaw dinosaur rabbit bunny soldier skittle domino dice rattle
		玩具 积木 娃娃 拼图`,
}

// patterns are words that mostly say what something is made of, or what is on it; they count where a title has no other.
const patterns = " heart star christmas flower rose daisy garden leaf butterfly bird angel fairy feather glass paper lace egg bunny rabbit dinosaur light picture print card "

// byWord and byPart are words, turned round: those of languages that write them apart, and parts of names in those that do not.
var byWord, byPart = index()

func index() (apart, part map[string]Kind) {
	apart, part = map[string]Kind{}, map[string]Kind{}
	for k, text := range words {
		for _, w := range strings.Fields(text) {
			if w[0] < utf8.RuneSelf {
				apart[w] = k
			} else {
				part[w] = k
			}
		}
	}
	return apart, part
}

// titleMax bounds what is read of a title, in bytes.
const titleMax = 200

// kindOf chooses what stands for a product by its title: the last word that is known says what it is, as in "rose mug", before
// whatever comes with it or is in it, as in "mug with roses".
func kindOf(title string) Kind {
	title = strings.ToLower(title[:min(len(title), titleMax)])
	head := title
	for _, with := range []string{" with ", " in ", " for ", " on "} {
		head, _, _ = strings.Cut(head, with)
	}
	for _, pattern := range []bool{false, true} {
		for _, text := range []string{head, title} {
			if k, ok := lastKnown(text, pattern); ok {
				return k
			}
		}
	}
	return Parcel
}

func lastKnown(text string, pattern bool) (last Kind, known bool) {
	apart := strings.FieldsFunc(text, func(r rune) bool { return r != '-' && !unicode.IsLetter(r) })
	for _, w := range slices.Backward(apart) {
		for _, form := range []string{w, strings.TrimSuffix(w, "s"), strings.TrimSuffix(w, "es"), strings.TrimSuffix(w, "ies") + "y"} {
			if k, ok := byWord[form]; ok && (pattern || !strings.Contains(patterns, " "+form+" ")) {
				return k, true
			}
		}
	}
	end := -1
	for part, k := range byPart {
		// Of two that end at one place, the longer.
		if i := strings.LastIndex(text, part); i >= 0 && 2*(i+len(part))*titleMax+len(part) > end {
			last, known, end = k, true, 2*(i+len(part))*titleMax+len(part)
		}
	}
	return last, known
}
