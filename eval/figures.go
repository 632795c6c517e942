package eval

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// Bar is a row of a bar chart.
type Bar struct {
	Name  string
	Value float64
	Half  float64 // of its confidence interval; 0: not known
	Text  string  // behind the bar
	Mark  float64 // a bound of its own, drawn as a tick; 0: none
}

// Sizes in bars and heat maps, in units of their own that scale with the page.
const (
	figureWidth = 420
	rowHeight   = 22
)

// bars draws rows of a common scale, with a line at a limit (0: none), all from 0 on.
func bars(title string, rows []Bar, limit float64, limitName string) template.HTML {
	most, longest, tail := limit, 0, 0
	for _, r := range rows {
		most = max(most, r.Value+r.Half, r.Mark)
		longest = max(longest, len([]rune(r.Name)))
		tail = max(tail, len([]rune(r.Text)))
	}
	if !(most > 0) || math.IsInf(most, 0) {
		return `<p>no data</p>`
	}
	left := min(7*float64(longest)+8, 170)
	room := figureWidth - left - 6.6*float64(tail) - 10
	x := func(v float64) float64 { return left + v/most*room }
	height := rowHeight*len(rows) + 18
	var b strings.Builder
	fmt.Fprintf(&b, `<svg role="img" aria-label="%s" viewBox="0 0 %d %d" font-size="12">`, html.EscapeString(title), figureWidth, height)
	for i, r := range rows {
		y := float64(i * rowHeight)
		rgb := palette(0)
		if strings.HasPrefix(r.Name, learnedName) {
			rgb = palette(1)
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end" fill="#1d2329">%s</text>`, left-6, y+15, html.EscapeString(cut(r.Name, int((left-8)/7)+1)))
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="14" rx="1.5" fill="#%02x%02x%02x"/>`, left, y+4, max(0, x(r.Value)-left), rgb.R, rgb.G, rgb.B)
		if r.Half > 0 {
			low, high := x(max(0, r.Value-r.Half)), x(min(r.Value+r.Half, most))
			fmt.Fprintf(&b, `<path d="M%.1f %.1fH%.1f" stroke="#1d2329" stroke-width="1.2"/>`, low, y+11, high)
		}
		if r.Mark > 0 {
			fmt.Fprintf(&b, `<path d="M%.1f %.1fv18" stroke="#d55e00" stroke-width="1.6"/>`, x(r.Mark), y+2)
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="#1d2329">%s</text>`, max(x(r.Value+r.Half), x(limit))+5, y+15, html.EscapeString(r.Text))
	}
	if limit > 0 {
		fmt.Fprintf(&b, `<path d="M%.1f 0v%d" stroke="#5a6570" stroke-dasharray="3 2"/><text x="%.1f" y="%d" text-anchor="end" fill="#5a6570" font-size="11">%s</text>`,
			x(limit), height-14, x(limit), height-3, html.EscapeString(limitName))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// heat draws a matrix of shares from 0 to 1: a row per name, a column per worker.
func heat(title string, names []string, rows [][]float64) template.HTML {
	if len(rows) == 0 {
		return `<p>no data</p>`
	}
	columns, longest := len(rows[0]), 0
	for _, n := range names {
		longest = max(longest, len([]rune(n)))
	}
	left := min(6.4*float64(longest)+8, 130)
	wide := (figureWidth - left - 2) / float64(columns)
	const tall = 15
	height := tall*len(rows) + 16
	var b strings.Builder
	fmt.Fprintf(&b, `<svg role="img" aria-label="%s" viewBox="0 0 %d %d" font-size="11">`, html.EscapeString(title), figureWidth, height)
	for i, row := range rows {
		y := float64(i * tall)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end" fill="#1d2329">%s</text>`, left-5, y+11.5, html.EscapeString(cut(names[i], 19)))
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="#eef1f3"/>`, left, y, wide*float64(columns), tall-1)
		for w, v := range row {
			if v <= 0 {
				continue
			}
			// From pale to dark; a small share must still be seen.
			depth := math.Sqrt(min(v, 1))
			fmt.Fprintf(&b, `<rect x="%.2f" y="%.1f" width="%.2f" height="%d" fill="#0072b2" fill-opacity="%.2f"><title>%s, worker %d: %.0f %%</title></rect>`,
				left+wide*float64(w), y, max(wide-0.5, 0.8), tall-1, 0.15+0.85*depth, html.EscapeString(names[i]), w, 100*v)
		}
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#5a6570">worker 0</text><text x="%d" y="%d" text-anchor="end" fill="#5a6570">%d</text></svg>`, left, height-3, figureWidth-2, height-3, columns-1)
	return template.HTML(b.String())
}

// cut shortens a name to n characters, and shows what does not print as a dot.
func cut(name string, n int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return '·'
		}
		return r
	}, name))
	if len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return string(runes)
}
