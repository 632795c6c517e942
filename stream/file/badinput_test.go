package file

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/stream"
)

// Whatever is wrong with the input is said with the file, the place, the value
// and what to do.
func TestBadInput(t *testing.T) {
	good := oneBatch([]string{"a", "b", "null"}, []float64{1, 2, 0})
	big := make([]float64, 5000)
	bigKeys := make([]string, len(big))
	for i := range big {
		big[i], bigKeys[i] = float64(i*i), fmt.Sprint(i*i)
	}
	bigTable := table(bigKeys, big)
	cut := func(b []byte, keep float64) []byte { return b[:int(float64(len(b))*keep)] }
	long := "k,v\n" + strings.Repeat("some key,17\n", 100_000)
	long = long[:len(long)-1]
	for _, c := range []struct {
		why     string
		content []byte // nil: no file
		set     func(*stream.FileConfig)
		want    []string // parts of the message
	}{
		{"missing file", nil, nil, []string{"no such file", "working directory"}},
		{"empty file", []byte{}, nil, []string{"is empty", "header line"}},
		{"empty gzip", zipped(""), nil, []string{"is empty once decompressed (gzip)"}},
		{"a header and no rows", []byte("k,v\n"), nil, []string{"has no rows"}},
		{"blank lines are no rows", []byte("\n\nk,v\n\n\n"), nil, []string{"has no rows"}},
		{"only blank lines", []byte("\n\n"), nil, []string{"is empty"}},
		{"wrong key column", []byte("kay,v\na,1\n"), nil, []string{`no column "k"; did you mean "v"? known are kay, v`}},
		{"wrong payload column", []byte("k,value\na,1\n"), nil, []string{`no column "v"; did you mean "k"?`}},
		{"the same column twice", []byte("k,v,k\na,1,b\n"), nil, []string{`column "k" is there more than once`, "rename"}},
		{"a short row", []byte("k,v\na,1\nb\nc,3\n"), nil, []string{"line 3: 1 fields where the header has 2", "on_bad_row: skip"}},
		{"a long row", []byte("k,v\na,1,2\n"), nil, []string{"line 2: 3 fields where the header has 2"}},
		{"a stray quote", []byte("k,v\na,1\nb\"c,2\n"), nil, []string{`line 3: bare " in non-quoted`}},
		{"a quote that is never closed", []byte("k,v\na,1\n\"c,2\nd,3\n"), nil, []string{"line 3", `"`}},
		{"not a number", []byte("k,v\na,1\nb,NA\n"), nil, []string{`line 3, column "v": "NA" is not a number; fix the row`}},
		{"no number", []byte("k,v\na,1\nb,\n"), nil, []string{`line 3, column "v": "" is not a number`}},
		{"NaN", []byte("k,v\na,NaN\n"), nil, []string{`line 2, column "v": NaN is not a finite number`}},
		{"infinite", []byte("k,v\na,-1e999\n"), nil, []string{`line 2, column "v": -Inf is not a finite number`}},
		{"the line counts line breaks in quotes", []byte("k,v\n\"a\n\n\",1\nb,x\n"), nil, []string{`line 5, column "v"`}},
		{"a very long value is clipped", []byte("k,v\na," + strings.Repeat("x", 1000) + "\n"), nil, []string{strings.Repeat("x", 40) + `..." is not a number`}},
		{"a key column of mixed types", []byte("k,v\n1,1\nN17,2\n"), func(c *stream.FileConfig) { c.KeyType = stream.KeyInteger }, []string{`line 3, column "k": "N17" is not a whole number`, "key_type"}},
		{"nothing but bad rows", []byte("k,v\na,x\nb,y\n"), func(c *stream.FileConfig) { c.OnBadRow = stream.BadRowSkip }, []string{"none of the 2 rows can be used", `line 2, column "v"`}},
		{"nothing but bad rows, looped", []byte("k,v\na,x\nb,y\n"), func(c *stream.FileConfig) { c.OnBadRow, c.Loop = stream.BadRowSkip, true }, []string{"none of the 2 rows can be used"}},
		{"no words", []byte("k,v\n...,1\n"), func(c *stream.FileConfig) { c.Split, c.Loop = stream.SplitWords, true }, []string{`column "k": there is no word`}},
		{"truncated gzip header", zipped("k,v\na,1\n")[:5], nil, []string{"compressed data end early", "copy or download it again"}},
		{"truncated gzip data", cut(zipped(long), 0.5), nil, []string{"compressed data end early", "byte "}},
		{"damaged gzip data", append(slices.Clone(cut(zipped(long), 0.9)), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), nil, []string{"compressed data", "copy or download"}},
		{"gzipped Arrow", zipped("ARROW1\x00\x00"), nil, []string{"decompress it first"}},
		{"something binary", []byte("\x7fELF\x00\x00"), nil, []string{"is binary", "convert"}},
		{"truncated Arrow file", cut(arrowBytes(t, "file", good), 0.9), nil, []string{"can't be opened", "truncated"}},
		{"an Arrow file's first bytes", []byte("ARROW1\x00\x00"), nil, []string{"can't be opened", "truncated"}},
		{"truncated Arrow stream", cut(arrowBytes(t, "stream", bigTable, bigTable), 0.9), nil, []string{"after row 5000", "truncated or damaged"}},
		{"an Arrow stream's first bytes", []byte("\xff\xff\xff\xff\x10\x00\x00\x00"), nil, []string{"can't be opened", "truncated"}},
		{"truncated Parquet", cut(arrowBytes(t, "parquet", good), 0.9), nil, []string{"can't be opened", "truncated"}},
		{"Parquet's first bytes", []byte("PAR1"), nil, []string{"can't be opened", "truncated"}},
		{"wrong column in Arrow", arrowBytes(t, "file", good), func(c *stream.FileConfig) { c.Key = "K" }, []string{`no column "K"; did you mean "k"?`}},
		{"wrong column in Parquet", arrowBytes(t, "parquet", good), func(c *stream.FileConfig) { c.Payload = []string{"vv"} }, []string{`no column "vv"; did you mean "v"?`}},
		{"gzipped twice", zipped(string(zipped("k,v\na,1\n"))), nil, []string{"is compressed (gzip), and so is what is in it"}},
		{"truncated zstd data", cut(zstded(long), 0.5), nil, []string{"compressed data", "copy or download"}},
		{"damaged bzip2 data", []byte(strings.Replace(bzipped, "AY&SY", "AY&SX", 1)), nil, []string{"compressed data are damaged", "copy or download"}},
		{"xz", []byte("\xfd7zXZ\x00\x00\x04"), nil, []string{"is compressed with xz", "xz -d"}},
		{"an empty key", []byte("k,v\na,1\n,2\n"), nil, []string{`line 3, column "k": is empty`, "on_bad_row: skip"}},
		{"another delimiter", []byte("k;v\na;1\n"), nil, []string{`no column "k"`, `a single column with ";" in it`, "source.file.delimiter"}},
		{"a column that a file without header has not", []byte("a,1\n"), func(c *stream.FileConfig) { c.Header = false }, []string{`no column "k"`, "known are 1, 2"}},
		{"JSON without the column", []byte(`{"key":"a","v":1}`), nil, []string{`no column "k"`, "known are key, v"}},
		{"JSON without the column, later", []byte("{\"k\":\"a\",\"v\":1}\n{\"v\":1}\n"), nil, []string{`line 2, column "k": there is no value (null)`}},
		{"JSON with a null", []byte(`{"k":null,"v":1}`), nil, []string{`line 1, column "k": there is no value (null)`}},
		{"JSON with an object as key", []byte(`{"k":{"a":1},"v":1}`), nil, []string{`column "k": {"a":1} is no string`}},
		{"JSON with text as value", []byte(`{"k":"a","v":"x"}`), nil, []string{`column "v": "x" is not a number`}},
		{"no JSON", []byte("{\"k\":\"a\",\"v\":1}\nk,v\n"), nil, []string{"line 2: is not a JSON object"}},
		{"JSON on several lines", []byte("{\n\"k\": 1,\n\"v\": 1}\n"), nil, []string{"line 1: is not a JSON object"}},
		{"a key that is a list", arrowBytes(t, "parquet", good), func(c *stream.FileConfig) { c.Key = "nested" }, []string{`column "nested" has type list`, "cast"}},
		{"values that are text", arrowBytes(t, "stream", good), func(c *stream.FileConfig) { c.Payload = []string{"d"} }, []string{`column "d" has type dictionary`, "values must be numbers"}},
		{"a null key", arrowBytes(t, "file", good), nil, []string{`row 3, column "k": there is no value (null); fix the row`}},
		{"a null in Parquet", arrowBytes(t, "parquet", good), nil, []string{`row 3, column "k": there is no value`}},
		{"NaN in Arrow", arrowBytes(t, "file", table([]string{"a"}, []float64{nan()})), nil, []string{`row 1, column "v": NaN is not a finite number`}},
	} {
		t.Run(c.why, func(t *testing.T) {
			cfg := fileConfig(filepath.Join(t.TempDir(), "data"))
			if c.content != nil {
				cfg.File.Path = write(t, "data", c.content)
			}
			if c.set != nil {
				c.set(&cfg.File)
			}
			err := readAll(cfg, stream.TaskTDigest)
			if err == nil || err == io.EOF {
				t.Fatalf("no error, want one with %q", c.want)
			}
			for _, part := range append(c.want, "source: "+cfg.File.Path+": ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v\nhas no %q", err, part)
				}
			}
			if strings.Count(err.Error(), cfg.File.Path) != 1 {
				t.Errorf("%v\nnames the file more than once", err)
			}
		})
	}
	cfg := fileConfig(t.TempDir())
	if err := readAll(cfg, stream.TaskCount); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func nan() float64 { var zero float64; return zero / zero }

// readAll opens a source and reads some thousands of records; the error is what
// came first.
func readAll(cfg stream.SourceConfig, task string) error {
	sources, err := stream.OpenSources(cfg, stream.SourceEnv{Subtasks: 1, Task: task, OpenFile: Open})
	if err != nil {
		return err
	}
	_, err = flat(sources[0], 100, 200_000)
	return errors.Join(err, stream.CloseSources(sources))
}
