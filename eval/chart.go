package eval

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is a plot of lines over a common x axis.
type Chart struct {
	Title  string
	Help   string // what is shown, one sentence
	XLabel string
	Lines  []Line
	// Zero has the y axis begin at 0, for quantities of which 0 is the best or least
	// there is.
	Zero bool
}

// Line is one curve. Points that are not finite numbers are left out.
type Line struct {
	Name string // in the legend, where a chart has several
	X, Y []float64
}

// Size of a chart, chosen so that its labels are about as large as the text when it
// fills a phone's width.
const (
	chartWidth  = 3.9 * vg.Inch
	chartHeight = 2.3 * vg.Inch
)

// longest is how many points a line is drawn with. One with more is thinned to the
// means of so many groups, over a band from the least to the greatest of each.
const longest = 160

// palette tells the lines of a chart apart, also for the colour-blind and in grey
// (Okabe and Ito).
func palette(i int) color.RGBA {
	colors := []color.RGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff},
		{0xcc, 0x79, 0xa7, 0xff}, {0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff},
	}
	return colors[i%len(colors)]
}

// svg draws a chart as an SVG element that scales with the page.
func svg(c Chart) (template.HTML, error) {
	p := plot.New()
	style(p, &c)
	drawn := 0
	for i, l := range c.Lines {
		n, err := addLine(p, l, palette(i))
		if err != nil {
			return "", fmt.Errorf("chart %q: line %q: %w", c.Title, l.Name, err)
		}
		drawn += n
	}
	if drawn == 0 {
		return `<p>no data</p>`, nil
	}
	widen(p, &c)
	canvas := vgsvg.New(chartWidth, chartHeight)
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", fmt.Errorf("chart %q: %w", c.Title, err)
	}
	// An element of the page has neither an XML declaration nor a size of its own.
	text := b.String()
	text = text[strings.Index(text, "<svg"):]
	at := strings.Index(text, "viewBox")
	return template.HTML(`<svg role="img" aria-label="` + template.HTMLEscapeString(c.Title) + `" ` + text[at:]), nil
}

func style(p *plot.Plot, c *Chart) {
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(9)}
	grey, pale := color.Gray{0x60}, color.Gray{0xd8}
	p.X.Label.Text = c.XLabel
	p.X.Label.TextStyle.Color = grey
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = sans
		a.Tick.Label.Font = sans
		a.Tick.Label.Color = grey
		a.Tick.LineStyle.Width = 0
		a.Tick.Length = vg.Points(2)
		a.Tick.Marker = ticks{}
		a.LineStyle.Width = 0
		a.Padding = vg.Points(3)
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = pale
	p.Add(grid)
	p.X.Label.Padding = vg.Points(2)
	p.BackgroundColor = color.Transparent
}

// addLine adds a line, and a band around it where it is thinned; it returns the
// number of points drawn.
func addLine(p *plot.Plot, l Line, c color.RGBA) (int, error) {
	if len(l.X) != len(l.Y) {
		return 0, fmt.Errorf("%d x and %d y", len(l.X), len(l.Y))
	}
	mean, low, high := thin(l, longest)
	if len(mean) == 0 {
		return 0, nil
	}
	if low != nil {
		band := append(plotter.XYs{}, low...)
		for i := len(high) - 1; i >= 0; i-- {
			band = append(band, high[i])
		}
		area, err := plotter.NewPolygon(band)
		if err != nil {
			return 0, err
		}
		area.Color = color.NRGBA{c.R, c.G, c.B, 0x40}
		area.LineStyle.Width = 0
		p.Add(area)
	}
	line, err := plotter.NewLine(mean)
	if err != nil {
		return 0, err
	}
	line.Color, line.Width = c, vg.Points(1.4)
	p.Add(line)
	if len(mean) <= 25 { // few enough that each is worth a look
		dots, err := plotter.NewScatter(mean)
		if err != nil {
			return 0, err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(2), Shape: draw.CircleGlyph{}}
		p.Add(dots)
	}
	return len(mean), nil
}

// thin leaves out what is not finite and, of more than n points, takes the mean, the
// least and the greatest of n groups. low and high are nil where nothing was thinned.
func thin(l Line, n int) (mean, low, high plotter.XYs) {
	for i, x := range l.X {
		if y := l.Y[i]; !math.IsNaN(x-x) && !math.IsNaN(y-y) { // v-v is NaN for what is not finite
			mean = append(mean, plotter.XY{X: x, Y: y})
		}
	}
	if len(mean) <= n {
		return mean, nil, nil
	}
	all := mean
	mean = nil
	for g := range n {
		group := all[g*len(all)/n : (g+1)*len(all)/n]
		sum := plotter.XY{}
		least, most := group[0].Y, group[0].Y
		for _, v := range group {
			sum.X += v.X / float64(len(group))
			sum.Y += v.Y / float64(len(group))
			least, most = min(least, v.Y), max(most, v.Y)
		}
		mean = append(mean, sum)
		low, high = append(low, plotter.XY{X: sum.X, Y: least}), append(high, plotter.XY{X: sum.X, Y: most})
	}
	return mean, low, high
}

// widen adjusts the ranges of the axes. An axis with a single value gets a range. The y
// axis includes 0 if the chart says so, the x axis if 0 is near. No curve touches the top.
func widen(p *plot.Plot, c *Chart) {
	for _, l := range c.Lines { // thinning may have left the ends out
		for _, x := range l.X {
			if !math.IsNaN(x - x) {
				p.X.Min, p.X.Max = min(p.X.Min, x), max(p.X.Max, x)
			}
		}
	}
	if p.X.Min > 0 && p.X.Min < 0.1*p.X.Max {
		p.X.Min = 0
	}
	if c.Zero {
		p.Y.Min, p.Y.Max = min(p.Y.Min, 0), max(p.Y.Max, 0)
	}
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		if a.Max-a.Min <= 1e-9*max(math.Abs(a.Max), math.Abs(a.Min), 1e-300) {
			room := max(math.Abs(a.Max)*0.1, 1e-3)
			a.Min, a.Max = a.Min-room, a.Max+room
		}
	}
	room := 0.05 * (p.Y.Max - p.Y.Min)
	p.Y.Max += room
	if p.Y.Min != 0 {
		p.Y.Min -= room
	}
}

// swatch is a line of a legend.
type swatch struct{ Name, Color string }

// legend tells the lines of a chart apart; one line alone needs none. It is text of
// the page, because within the plot it would hide curves.
func legend(c Chart) []swatch {
	if len(c.Lines) < 2 {
		return nil
	}
	var all []swatch
	for i, l := range c.Lines {
		rgb := palette(i)
		all = append(all, swatch{l.Name, fmt.Sprintf("#%02x%02x%02x", rgb.R, rgb.G, rgb.B)})
	}
	return all
}

// ticks are at round numbers, at most six, labelled briefly.
type ticks struct{}

// Ticks implements plot.Ticker.
func (ticks) Ticks(least, most float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((most-least)/5)))
	for _, f := range []float64{1, 2, 5, 10} {
		if (most-least)/(step*f) <= 5 {
			step *= f
			break
		}
	}
	var out []plot.Tick
	for i := math.Ceil(least/step - 1e-9); i*step <= most+1e-9*step; i++ {
		out = append(out, plot.Tick{Value: i * step, Label: brief(i*step, step)})
	}
	return out
}

// brief writes v with the digits that multiples of step have.
func brief(v, step float64) string {
	unit, suffix := 1.0, ""
	switch m := max(math.Abs(v), step); {
	case v == 0:
		return "0"
	case m >= 1e15 || m < 1e-4:
		return fmt.Sprintf("%.3g", v)
	case step >= 1e9:
		unit, suffix = 1e9, "G"
	case step >= 1e6 || m >= 1e7:
		unit, suffix = 1e6, "M"
	case step >= 1e3 || m >= 1e4:
		unit, suffix = 1e3, "k"
	}
	digits := max(0, -int(math.Floor(math.Log10(step/unit)+1e-9)))
	return fmt.Sprintf("%.*f%s", digits, v/unit, suffix)
}
