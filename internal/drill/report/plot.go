package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/tidegate/tidegate/internal/drill"
)

// The plots are SVG written here: lines over time need no library, and their colours follow the page's, light or dark.
const (
	plotWidth, plotHeight                    = 720, 220
	edgeLeft, edgeRight, edgeTop, edgeBottom = 62, 12, 18, 34
)

// line is one curve. A value below zero is no value.
type line struct {
	name, class string
	area        bool
	at          func(p *drill.Point) float64
}

// plot draws lines over the points' time.
func plot(title, unit string, points []drill.Point, lines []line) template.HTML {
	if len(points) == 0 {
		return ""
	}
	from, until := 0.0, points[len(points)-1].Seconds
	top := 0.0
	for i := range points {
		for _, l := range lines {
			top = math.Max(top, l.at(&points[i]))
		}
	}
	top = roundUp(top)
	x := func(t float64) float64 {
		return edgeLeft + (t-from)/math.Max(until-from, 0.001)*(plotWidth-edgeLeft-edgeRight)
	}
	y := func(v float64) float64 { return plotHeight - edgeBottom - v/top*(plotHeight-edgeTop-edgeBottom) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, template.HTMLEscapeString(title))
	lineCount := gridLines(top)
	for i := range lineCount + 1 {
		v := top * float64(i) / float64(lineCount)
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="y" x="%d" y="%.1f">%s</text>`,
			edgeLeft, plotWidth-edgeRight, y(v), y(v), edgeLeft-8, y(v)+4, tell(v))
	}
	for _, t := range times(until) {
		fmt.Fprintf(&b, `<text class="x" x="%.1f" y="%d">%s s</text>`, x(t), plotHeight-edgeBottom+18, tell(t))
	}
	for _, l := range lines {
		b.WriteString(curve(l, points, x, y))
	}
	b.WriteString(`</svg><p class="legend">`)
	for _, l := range lines {
		fmt.Fprintf(&b, `<span class="key %s">%s</span>`, l.class, template.HTMLEscapeString(l.name))
	}
	fmt.Fprintf(&b, `<span class="unit">%s</span></p>`, template.HTMLEscapeString(unit))
	return template.HTML(b.String()) // made of numbers and of texts escaped above
}

// curve draws one line, broken where there is no value.
func curve(l line, points []drill.Point, x, y func(float64) float64) string {
	var d strings.Builder
	begun := false
	first, last := 0.0, 0.0
	for i := range points {
		v := l.at(&points[i])
		if v < 0 {
			begun = false
			continue
		}
		command := "L"
		if !begun {
			command = "M"
			if first == 0 {
				first = x(points[i].Seconds)
			}
		}
		begun, last = true, x(points[i].Seconds)
		fmt.Fprintf(&d, "%s%.1f %.1f", command, last, y(v))
	}
	text := fmt.Sprintf(`<path class="curve %s" d="%s"/>`, l.class, d.String())
	if l.area && d.Len() > 0 {
		text = fmt.Sprintf(`<path class="area %s" d="%sL%.1f %.1fL%.1f %.1fZ"/>`, l.class, d.String(), last, y(0), first, y(0)) + text
	}
	return text
}

// roundUp returns the next 1, 2, 2.5 or 5 times a power of ten, so that the grid has round numbers.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if v <= m*power*1.0001 {
			return m * power
		}
	}
	return 10 * power
}

// gridLines is into how many steps a round number is divided, so that each is round as well.
func gridLines(top float64) int {
	if first := top / math.Pow(10, math.Floor(math.Log10(top)*1.0000001)); math.Abs(first-2) < 0.01 {
		return 4
	}
	return 5
}

// times are the labels below: at most eight, at round seconds.
func times(until float64) []float64 {
	step := roundUp(until / 8)
	var all []float64
	for t := step; t <= until+step/1000; t += step {
		all = append(all, t)
	}
	return all
}

func tell(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", math.Round(v/1e4)/100)
	case v >= 10_000:
		return fmt.Sprintf("%gk", math.Round(v/100)/10)
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}

// second is how many points are in one: the curves are told per second.
func second(points []drill.Point) float64 {
	if len(points) < 2 {
		return 1
	}
	return 1 / (points[1].Seconds - points[0].Seconds)
}

func rates(p *drill.Phase) template.HTML {
	per := second(p.Points)
	return plot("Answers over time", "answers a second", p.Points, []line{
		{"all answers", "a", true, func(p *drill.Point) float64 { return float64(p.Answers) * per }},
		{"orders accepted", "b", false, func(p *drill.Point) float64 { return float64(p.Accepted) * per }},
		{"sold out", "c", false, func(p *drill.Point) float64 { return float64(p.SoldOut) * per }},
		{"errors", "bad", false, func(p *drill.Point) float64 { return float64(p.Errors) * per }},
	})
}

func latencies(p *drill.Phase) template.HTML {
	some := func(at func(*drill.Point) float64) func(*drill.Point) float64 {
		return func(p *drill.Point) float64 {
			if p.Answers == 0 {
				return -1
			}
			return at(p)
		}
	}
	return plot("Waiting time over time", "milliseconds until the answer", p.Points, []line{
		{"the slowest 1 in 100", "c", false, some(func(p *drill.Point) float64 { return p.P99 })},
		{"half of the shoppers", "a", false, some(func(p *drill.Point) float64 { return p.P50 })},
	})
}

func stock(p *drill.Phase, units int64) template.HTML {
	points := append([]drill.Point{{Left: units}}, p.Points...)
	return plot("Stock over time", "units left, as a shopper saw it", points, []line{
		{"left", "b", true, func(p *drill.Point) float64 { return float64(p.Left) }},
	})
}
