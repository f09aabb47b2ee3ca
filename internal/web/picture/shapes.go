package picture

import (
	"fmt"
	"math"
	"strings"
)

// shapes draw the kinds: each fills the middle of the canvas, stands on the table where it does not hang, and takes its colours from
// the pen.
var shapes = [kinds]func(*pen){
	Parcel: parcel, Vessel: vessels, Box: box, Bag: bag, Ring: ring, Books: books, Card: card, Frame: frame, Clock: face, Candle: candles,
	Cushion: cushion, Cloth: cloth, Plant: plant, Ornament: ornaments, Tools: tools, Bricks: bricks,
}

// parcel draws something wrapped, with a ribbon.
func parcel(p *pen) {
	w, h, foot := 120+p.IntN(40), 96+p.IntN(40), 256
	x, y := 160-w/2, foot-h
	p.shadow(160, foot, w/2+14)
	p.f(`<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s"/><path d="M160 %dV%dM%d %dh%d" stroke="%s" stroke-width="14"/>`,
		x, y, w, h, p.colours[0], y, foot, x, y+h/2, w, p.light)
	p.f(`<path d="M160 %dc-14-34-52-30-46-10c4 12 28 12 46 10c18 2 42 2 46-10c6-20-32-24-46 10z" fill="none" stroke="%s" stroke-width="8" stroke-linejoin="round"/>`, y, p.light)
}

// box draws a box with its lid.
func box(p *pen) {
	w, h, foot := 130+p.IntN(50), 84+p.IntN(44), 256
	x, y, lid := 160-w/2, foot-h, 26+p.IntN(10)
	p.shadow(160, foot, w/2+14)
	p.f(`<rect x="%d" y="%d" width="%d" height="%d" rx="5" fill="%s"/><rect x="%d" y="%d" width="%d" height="%d" rx="5" fill="%s"/>`,
		x, y, w, h, p.colours[0], x-6, y-4, w+12, lid, p.colours[1])
	p.f(`<rect x="%d" y="%d" width="%d" height="6" opacity=".18"/><rect x="%d" y="%d" width="%d" height="22" rx="3" fill="%s"/>`,
		x, y-4+lid, w, 160-24, y+h/2+6, 48, p.light)
}

// bag draws a bag with a handle.
func bag(p *pen) {
	w, h, foot := 120+p.IntN(40), 104+p.IntN(30), 258
	top, half := foot-h, w/2
	p.shadow(160, foot, half+16)
	p.f(`<path d="M%d %dc0-%d %d-%d %d 0" fill="none" stroke="%s" stroke-width="9"/>`, 160-half/2, top+4, 60+p.IntN(30), half, 60+p.IntN(30), half, p.colours[1])
	p.f(`<path d="M%d %dh%dl14 %dq0 8-8 8h-%dq-8 0-8-8z" fill="%s"/>`, 160-half, top, w, h-8, w+12, p.colours[0])
	p.f(`<path d="M%d %dh%dl2 18h-%dz" fill="%s"/><circle cx="160" cy="%d" r="%d" fill="%s" opacity=".8"/>`, 160-half, top, w, w+4, p.colours[1], foot-h*2/5, 14+p.IntN(8), p.light)
}

// ring draws a ring on a hook, and what hangs from it.
func ring(p *pen) {
	r := 34 + p.IntN(14)
	y := 104 + p.IntN(16)
	p.f(`<g transform="translate(-56 -44) scale(1.35)">`)
	p.f(`<circle cx="160" cy="%d" r="6" fill="%s"/><circle cx="160" cy="%d" r="%d" fill="none" stroke="%s" stroke-width="7"/>`, y-r-3, p.colours[1], y, r, p.colours[1])
	for i, lean := range []int{-22 - p.IntN(10), 18 + p.IntN(12)} {
		p.f(`<g transform="rotate(%d 160 %d)"><path d="M160 %dv%d" stroke="%s" stroke-width="5"/>`, lean, y, y+r, 22, p.colours[1])
		top := y + r + 20
		switch (p.IntN(3) + i) % 3 {
		case 0:
			p.f(`<circle cx="160" cy="%d" r="24" fill="%s"/><circle cx="160" cy="%d" r="5" fill="%s"/>`, top+22, p.colours[0], top+8, p.light)
		case 1:
			p.f(`<rect x="140" y="%d" width="40" height="58" rx="8" fill="%s"/><circle cx="160" cy="%d" r="5" fill="%s"/>`, top, p.colours[2], top+12, p.light)
		default:
			p.f(`<path d="M160 %dc-40-24-26-56 0-36c26-20 40 12 0 36z" fill="%s"/>`, top+58, p.colours[0])
		}
		p.f(`</g>`)
	}
	p.f(`</g>`)
}

// books draws books in a pile, or beside each other.
func books(p *pen) {
	n, foot := 3+p.IntN(2), 256
	if p.IntN(2) == 0 {
		p.shadow(160, foot, 96)
		for i := range n {
			w, h := 130+p.IntN(40), 26+p.IntN(10)
			foot -= h
			p.f(`<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s"/><rect x="%d" y="%d" width="10" height="%d" fill="%s"/>`,
				160-w/2+p.IntN(13)-6, foot, w, h, p.colours[i%3], 160-w/2+22, foot, h, p.light)
		}
		return
	}
	x := 160 - n*19
	p.shadow(160, foot, n*19+16)
	for i := range n {
		w, h := 30+p.IntN(14), 112+p.IntN(44)
		p.f(`<rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s"/><rect x="%d" y="%d" width="%d" height="12" fill="%s"/>`, x, foot-h, w, h, p.colours[i%3], x, foot-h+20, w, p.light)
		x += w + 2
	}
}

// card draws a folded card that stands, and an envelope before it.
func card(p *pen) {
	w, h, foot := 96+p.IntN(24), 128+p.IntN(24), 250
	x, y := 150-w/2, foot-h
	p.shadow(160, foot, w/2+40)
	p.f(`<path d="M%d %dl34 10v%dh-34z" fill="%s"/><rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s"/>`, x+w, y, h-10, p.colours[1], x, y, w, h, p.light)
	p.f(`<circle cx="%d" cy="%d" r="%d" fill="%s"/><path d="M%d %dh%dm-%d 14h%d" stroke="%s" stroke-width="5"/>`,
		x+w/2, y+h*2/5, 20+p.IntN(12), p.colours[0], x+w/4, y+h*3/4, w/2, w*3/8, w/4, p.colours[2])
	p.f(`<rect x="178" y="222" width="84" height="54" rx="3" fill="%s"/><path d="M178 224l42 30l42-30" fill="none" stroke="%s" stroke-width="3"/>`, p.colours[0], p.light)
}

// frame draws a picture, or a mirror, on the wall.
func frame(p *pen) {
	w, h := 120+p.IntN(50), 140+p.IntN(40)
	x, y := 160-w/2, 160-h/2
	p.f(`<rect x="%d" y="%d" width="%d" height="%d" rx="3" opacity=".14"/><rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s"/>`, x+8, y+10, w, h, x, y, w, h, p.colours[0])
	p.f(`<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, x+14, y+14, w-28, h-28, p.light)
	p.f(`<circle cx="%d" cy="%d" r="%d" fill="%s"/><path d="M%d %dl%d-%dl%d %dz" fill="%s"/>`,
		x+w/2+p.IntN(20), y+h/3, 14+p.IntN(8), p.colours[2], x+14, y+h-14, (w-28)/2, 36+p.IntN(24), (w-28)-(w-28)/2, 36, p.colours[1])
}

// face draws a clock on the wall.
func face(p *pen) {
	r, hour := 72+p.IntN(22), p.IntN(360)
	p.f(`<circle cx="168" cy="168" r="%d" opacity=".14"/><circle cx="160" cy="158" r="%d" fill="%s"/><circle cx="160" cy="158" r="%d" fill="%s"/>`, r, r, p.colours[0], r-12, p.light)
	for i := range 12 {
		p.f(`<path d="M160 %dv6" stroke="%s" stroke-width="4" transform="rotate(%d 160 158)"/>`, 158-r+20, p.colours[1], 30*i)
	}
	p.f(`<g stroke="%s" stroke-linecap="round"><path d="M160 158v-%d" stroke-width="7" transform="rotate(%d 160 158)"/><path d="M160 158v-%d" stroke-width="5" transform="rotate(%d 160 158)"/></g>`,
		p.colours[2], r/3, hour, r/2, 12*hour%360)
}

// candles draws one to three candles that burn.
func candles(p *pen) {
	n := 1 + p.IntN(3)
	for i, x := range [][]int{{160}, {122, 204}, {92, 164, 236}}[n-1] {
		w, h, foot := 38+p.IntN(14), 90+p.IntN(70), 252+p.IntN(12)
		p.shadow(x, foot, w/2+24)
		p.f(`<path d="M%d %dv-8M%d %dc-12-14-4-22 0-32c4 10 12 18 0 32z" stroke="%s" stroke-width="2" fill="%s"/>`, x, foot-h, x, foot-h-6, p.colours[2], p.light)
		p.f(`<rect x="%d" y="%d" width="%d" height="%d" rx="5" fill="%s"/><rect x="%d" y="%d" width="%d" height="12" rx="6" fill="%s"/>`, x-w/2, foot-h, w, h-4, p.colours[i%3], x-w/2-12, foot-12, w+24, p.colours[(i+1)%3])
	}
}

// cushion draws a cushion that leans on the wall.
func cushion(p *pen) {
	p.shadow(160, 262, 92)
	p.f(`<g transform="rotate(%d 160 190)"><path d="M78 108q82 16 164 0q-14 76 0 150q-82-14-164 0q14-74 0-150z" fill="%s"/>`, p.IntN(13)-6, p.colours[0])
	switch p.IntN(3) {
	case 0:
		p.f(`<circle cx="160" cy="184" r="%d" fill="%s"/>`, 28+p.IntN(14), p.light)
	case 1:
		p.f(`<path d="M112 113v141M160 116v136M208 113v141" stroke="%s" stroke-width="%d"/>`, p.light, 8+p.IntN(10))
	default:
		p.f(`<path d="M160 124l56 60l-56 60l-56-60z" fill="none" stroke="%s" stroke-width="%d"/>`, p.light, 8+p.IntN(6))
	}
	p.f(`</g>`)
}

// cloth draws folded cloths, one on another.
func cloth(p *pen) {
	foot := 258
	p.shadow(160, foot, 100)
	for i := range 3 + p.IntN(2) {
		w, h := 150+p.IntN(26), 28+p.IntN(10)
		foot -= h
		x := 160 - w/2
		p.f(`<path d="M%d %dh%da%d %d 0 0 1 0 %dh-%dq-8 0-8-8v-%dq0-8 8-8z" fill="%s"/>`, x, foot, w-h/2, h/2, h/2, h, w-h/2, h-16, p.colours[i%3])
		p.f(`<path d="M%d %dh%d" stroke="%s" stroke-width="3"/>`, x+4, foot+h/2, w-h/2, p.light)
	}
}

// plant draws leaves, or flowers, in a pot.
func plant(p *pen) {
	foot, flowers := 258, p.IntN(2) == 0
	p.shadow(160, foot, 60)
	for i, lean := range []int{-44, -22, 0, 22, 44} {
		h := 72 + p.IntN(46)
		p.f(`<g transform="rotate(%d 160 200)"><path d="M160 200v-%d" stroke="%s" stroke-width="4"/>`, lean+p.IntN(9)-4, h, p.colours[1])
		if flowers && i%2 == 0 {
			p.f(`<circle cx="160" cy="%d" r="%d" fill="%s"/><circle cx="160" cy="%d" r="7" fill="%s"/>`, 196-h, 17+p.IntN(7), p.colours[2], 196-h, p.light)
		} else {
			p.f(`<path d="M160 %dc-26 24-18 52 0 66c18-14 26-42 0-66z" fill="%s"/>`, 190-h, p.colours[1])
		}
		p.f(`</g>`)
	}
	p.f(`<path d="M112 194h96l-12 64h-72z" fill="%s"/><rect x="106" y="186" width="108" height="18" rx="4" fill="%s"/>`, p.colours[0], p.colours[0])
	p.f(`<path d="M114 206h92" stroke="#000" stroke-opacity=".18" stroke-width="4"/>`)
}

// ornaments draws what hangs on threads.
func ornaments(p *pen) {
	for i, x := range []int{78, 160, 242} {
		y := 110 + p.IntN(80)
		p.f(`<path d="M%d 0v%d" stroke="%s" stroke-width="2"/><g transform="translate(%d %d)">`, x, y, p.light, x, y)
		c := p.colours[i]
		switch p.IntN(4) {
		case 0:
			p.f(`<circle cy="34" r="34" fill="%s"/><path d="M-33 28q33 16 66 0" fill="none" stroke="%s" stroke-width="6"/>`, c, p.light)
		case 1:
			p.f(`<path d="M0 74c-62-40-40-86 0-56c40-30 62 16 0 56z" fill="%s"/>`, c)
		case 2:
			p.f(`<path d="M0 0l10 26l28 2l-22 18l8 28l-24-16l-24 16l8-28l-22-18l28-2z" fill="%s"/>`, c)
		default:
			p.f(`<path d="M0 0l26 40l-26 40l-26-40z" fill="%s"/><path d="M0 14l16 26l-16 26l-16-26z" fill="%s"/>`, c, p.light)
		}
		p.f(`</g>`)
	}
}

// tools draws what has a handle, in a jar.
func tools(p *pen) {
	foot := 258
	p.shadow(160, foot, 64)
	for i, lean := range []int{-16, -5, 6, 17} {
		h := 150 + p.IntN(36)
		p.f(`<g transform="rotate(%d 160 250)"><path d="M160 236v-%d" stroke="%s" stroke-width="8" stroke-linecap="round"/>`, lean, h-44, p.colours[1+i%2])
		if p.IntN(2) == 0 {
			p.f(`<ellipse cx="160" cy="%d" rx="15" ry="24" fill="%s"/>`, 236-h+36, p.colours[1+i%2])
		} else {
			p.f(`<rect x="149" y="%d" width="22" height="44" rx="6" fill="%s"/>`, 236-h+16, p.colours[1+i%2])
		}
		p.f(`</g>`)
	}
	p.f(`<path d="M118 164h84l-6 94h-72z" fill="%s"/><path d="M119 180h82" stroke="%s" stroke-width="6"/>`, p.colours[0], p.light)
}

// bricks draws a tower of bricks.
func bricks(p *pen) {
	p.shadow(160, 258, 92)
	p.f(`<rect x="78" y="190" width="78" height="68" rx="5" fill="%s"/><circle cx="117" cy="224" r="16" fill="%s"/>`, p.colours[0], p.light)
	p.f(`<rect x="164" y="190" width="78" height="68" rx="5" fill="%s"/><path d="M203 206l16 34h-32z" fill="%s"/>`, p.colours[1], p.light)
	x := 160 + p.IntN(25) - 12
	p.f(`<rect x="%d" y="122" width="72" height="68" rx="5" fill="%s"/>`, x-36, p.colours[2])
	if p.IntN(2) == 0 {
		p.f(`<path d="M%d 60l40 62h-80z" fill="%s"/>`, x, p.colours[1])
	} else {
		p.f(`<path d="M%d 122a36 36 0 0 1 72 0z" fill="%s"/>`, x-36, p.colours[0])
	}
}

// vessels draws one to three of them.
func vessels(p *pen) {
	n := 1 + p.IntN(3)
	for i, x := range [][]int{{160}, {112, 214}, {82, 166, 246}}[n-1] {
		height := 90 + p.IntN(90)
		if n == 1 {
			height = 130 + p.IntN(50)
		}
		vessel(p, x+p.IntN(13)-6, 240+p.IntN(30), height, n, p.colours[i])
	}
}

// vessel draws something turned on a wheel: an outline from lip to foot, mirrored, with a shadow and a light.
func vessel(p *pen, x, foot, height, crowd int, colour string) {
	widest := 62 - 12*crowd + p.IntN(16)
	lip := widest*(30+p.IntN(60))/100 + 4
	neck := min(lip, widest)*(55+p.IntN(45))/100 + 3
	base := widest*(45+p.IntN(40))/100 + 4
	shoulder := 35 + p.IntN(40) // where it is widest, in percent from the top
	radii := []float64{float64(lip), float64(neck), float64(widest), float64(base)}
	heights := []float64{0, 0.18, float64(shoulder) / 100, 1}
	p.f(`<ellipse cx="%d" cy="%d" rx="%d" ry="7" opacity=".16"/>`, x+14, foot, base+22)
	top := float64(foot - height)
	y := func(i int) float64 { return top + heights[i]*float64(height) }
	side := func(sign float64) string {
		var d strings.Builder
		for step := range 3 {
			i := step
			if sign < 0 {
				i = 3 - step
			}
			j := i + int(sign)
			half := (y(j) - y(i)) / 2
			fmt.Fprintf(&d, "C%s %s %s %s %s %s", at(float64(x)+sign*radii[i]), at(y(i)+half), at(float64(x)+sign*radii[j]), at(y(j)-half), at(float64(x)+sign*radii[j]), at(y(j)))
		}
		return d.String()
	}
	p.f(`<path fill="%s" d="M%s %s%sH%s%sz"/>`, colour, at(float64(x+lip)), at(top), side(1), at(float64(x-base)), side(-1))
	p.f(`<ellipse cx="%d" cy="%d" rx="%d" ry="%s" fill="%s"/>`, x, foot, base, at(float64(base)/9), colour)
	mouth := fmt.Sprintf(`<ellipse cx="%d" cy="%s" rx="%d" ry="%s"`, x, at(top), lip, at(math.Max(2, float64(lip)/8)))
	p.f(`%s fill="%s"/>%s opacity=".28"/>`, mouth, colour, mouth)
	p.f(`<ellipse cx="%s" cy="%s" rx="%s" ry="%s" fill="%s" opacity=".22"/>`,
		at(float64(x)-float64(widest)*0.45), at(y(2)+float64(height)*0.08), at(float64(widest)*0.14), at(float64(height)*0.22), p.light)
}
