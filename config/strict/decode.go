package strict

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/config/nearest"
)

// decoder sets the values of a struct from YAML nodes. What a node does not mention stays as
// it is. Errors are collected, so that one run finds them all.
type decoder struct {
	root    reflect.Type
	origins *Origins
	errs    Errors
	unread  bool // the file is not one YAML document, so nothing is known of its values

	place Place      // of the layer being read; the line is that of the node
	leaf  *yaml.Node // the text an override gives; nil while reading a file
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.errs = append(d.errs, Error{Place: d.at(n), Path: path, Problem: fmt.Sprintf(format, args...)})
}

func (d *decoder) at(n *yaml.Node) Place {
	place := d.place
	if place.Layer == File {
		place.Line = n.Line
	}
	return place
}

// file reads a file's text.
func (d *decoder) file(name string, text []byte, dst reflect.Value) {
	d.place = Place{Layer: File, Name: name}
	n, err := parse(text)
	d.unread = err != nil
	switch {
	case errors.Is(err, io.EOF):
		d.fail(&yaml.Node{}, "", "is empty; `saspart config show` prints a complete configuration to start from")
	case err != nil:
		line, problem := syntax(err)
		d.fail(&yaml.Node{Line: line}, "", "%s", problem)
	case d.plain(n, ""):
		d.decode(n, dst, "")
	}
}

// override sets one value of the struct.
func (d *decoder) override(o Override, layer Layer, dst reflect.Value) {
	d.place = Place{Layer: layer, Name: o.From}
	steps, err := parsePath(o.Path)
	if err != nil {
		d.fail(nil, o.Path, "%v", err)
		return
	}
	d.leaf = &yaml.Node{Kind: yaml.ScalarNode, Value: o.Value}
	n := d.leaf
	for _, s := range slices.Backward(steps) {
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: s.name}
		tag := ""
		if s.name == "" {
			key.Value, tag = strconv.Itoa(s.index), elementTag
		}
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: tag, Content: []*yaml.Node{key, n}}
	}
	d.decode(n, dst, "")
	d.leaf = nil
}

// elementTag marks the mapping that stands for a list index in an override.
const elementTag = "!element"

// parse reads exactly one YAML document and returns its content.
func parse(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, io.EOF
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("yaml: line %d: a second document starts here; a configuration is one", more.Line)
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s*)?(?:line (\d+): )?`)

// syntax separates the line from the message of an error of the YAML library.
func syntax(err error) (line int, problem string) {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return 0, text
	}
	line, _ = strconv.Atoi(m[1])
	return line, "is not YAML: " + text[len(m[0]):]
}

// plain refuses what makes a file mean something else than it appears to: keys given twice,
// keys that are not text, aliases and merge keys.
func (d *decoder) plain(n *yaml.Node, path string) bool {
	before := len(d.errs)
	switch n.Kind {
	case yaml.AliasNode:
		d.fail(n, path, "is an alias, *%s; write the value out", n.Value)
	case yaml.SequenceNode:
		for i, c := range n.Content {
			d.plain(c, index(path, i))
		}
	case yaml.MappingNode:
		first := map[string]int{}
		for i := 0; i < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
				d.fail(key, path, "has a key that is not a plain name; write the settings out, one a line")
				continue
			}
			p := join(path, key.Value)
			if line, twice := first[key.Value]; twice {
				d.fail(key, p, "is given twice, first on line %d; remove one", line)
				continue
			}
			first[key.Value] = key.Line
			d.plain(value, p)
		}
	}
	return len(d.errs) == before
}

// decode sets dst from n.
func (d *decoder) decode(n *yaml.Node, dst reflect.Value, path string) {
	t := dst.Type()
	if n == d.leaf {
		if t.Kind() == reflect.String && !reads(t) {
			d.origins.give(path, d.at(n))
			dst.SetString(n.Value)
			return
		}
		parsed, err := parse([]byte(n.Value))
		if err != nil && !errors.Is(err, io.EOF) {
			_, problem := syntax(err)
			d.fail(n, path, "%s", problem)
			return
		}
		if err != nil {
			parsed = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
		}
		if !d.plain(parsed, path) {
			return
		}
		n = parsed
	}
	if n.ShortTag() == "!!null" && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		d.fail(n, path, "has no value; give it one, or remove it to get the default")
		return
	}
	switch {
	case t == durationType:
		d.duration(n, dst, path)
	case reads(t):
		d.reader(n, dst, path)
	case t.Kind() == reflect.Struct:
		d.structure(n, dst, path)
	case t.Kind() == reflect.Pointer:
		d.pointer(n, dst, path)
	case t.Kind() == reflect.Map:
		d.mapping(n, dst, path)
	case t.Kind() == reflect.Slice:
		d.list(n, dst, path)
	default:
		d.scalar(n, dst, path)
	}
}

func (d *decoder) structure(n *yaml.Node, dst reflect.Value, path string) {
	if n.Kind != yaml.MappingNode || n.Tag == elementTag {
		d.fail(n, path, "is %s; it must be a block of settings: %s", describe(n), strings.Join(names(settings(dst.Type())), ", "))
		return
	}
	if d.place.Layer == File {
		d.origins.blocks[path] = n.Line
	}
	known := settings(dst.Type())
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(known, func(s setting) bool { return s.name == key.Value })
		if at < 0 {
			d.fail(key, join(path, key.Value), "is not a setting; %s", d.suggest(key.Value, known))
			continue
		}
		d.decode(value, dst.FieldByIndex(known[at].index), join(path, key.Value))
	}
}

// suggest is the remedy for an unknown key of the block at path: the setting of that name in
// another block if there is one, otherwise the nearest setting of this block.
func (d *decoder) suggest(key string, known []setting) string {
	for _, p := range paths(d.root) {
		if strings.HasSuffix(p, "."+key) {
			return fmt.Sprintf("did you mean %q?", p)
		}
	}
	return nearest.Explain(key, names(known))
}

func names(known []setting) []string {
	out := make([]string, len(known))
	for i, s := range known {
		out[i] = s.name
	}
	return out
}

func (d *decoder) pointer(n *yaml.Node, dst reflect.Value, path string) {
	if n.ShortTag() == "!!null" {
		d.origins.give(path, d.at(n))
		dst.SetZero()
		return
	}
	// The pointed-at default may be shared with others: it is copied, not written.
	fresh := reflect.New(dst.Type().Elem())
	if dst.IsNil() {
		setDefaults(fresh.Elem())
	} else {
		fresh.Elem().Set(dst.Elem())
	}
	d.decode(n, fresh.Elem(), path)
	dst.Set(fresh)
}

func (d *decoder) mapping(n *yaml.Node, dst reflect.Value, path string) {
	if n.Kind != yaml.MappingNode || n.Tag == elementTag {
		d.fail(n, path, "is %s; it must be a block of names and values", describe(n))
		return
	}
	fresh := reflect.MakeMap(dst.Type())
	for it := dst.MapRange(); it.Next(); {
		fresh.SetMapIndex(it.Key(), it.Value())
	}
	if len(n.Content) == 0 {
		d.origins.give(path, d.at(n))
		fresh.Clear()
	}
	for i := 0; i < len(n.Content); i += 2 {
		key := reflect.New(dst.Type().Key()).Elem()
		if want := setScalar(n.Content[i], key); want != "" {
			d.fail(n.Content[i], path, "has the name %s; it must be %s", describe(n.Content[i]), want)
			continue
		}
		value := reflect.New(dst.Type().Elem()).Elem()
		if old := fresh.MapIndex(key); old.IsValid() {
			value.Set(old)
		} else {
			setDefaults(value)
		}
		d.decode(n.Content[i+1], value, join(path, n.Content[i].Value))
		fresh.SetMapIndex(key, value)
	}
	dst.Set(fresh)
}

// list replaces a whole list or, for an override with an index, changes one of its elements.
func (d *decoder) list(n *yaml.Node, dst reflect.Value, path string) {
	if n.Kind == yaml.MappingNode && n.Tag == elementTag {
		i, _ := strconv.Atoi(n.Content[0].Value)
		if i >= dst.Len() {
			d.fail(n, index(path, i), "does not exist; the list has %d elements", dst.Len())
			return
		}
		fresh := reflect.MakeSlice(dst.Type(), dst.Len(), dst.Len())
		reflect.Copy(fresh, dst)
		dst.Set(fresh)
		d.decode(n.Content[1], dst.Index(i), index(path, i))
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "is %s; it must be a list, such as [1, 2]", describe(n))
		return
	}
	d.origins.give(path, d.at(n))
	fresh := reflect.MakeSlice(dst.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		setDefaults(fresh.Index(i))
		d.decode(c, fresh.Index(i), index(path, i))
	}
	dst.Set(fresh)
}

// setDefaults sets the defaults of a new element before the file's values.
func setDefaults(v reflect.Value) {
	if d, ok := v.Addr().Interface().(Defaulter); ok {
		d.SetDefaults()
	}
}
