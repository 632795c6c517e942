package file

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/internal/memtest"
	"github.com/saspart/saspart/stream"
)

// fileConfig reads column k of a file as key and v as payload.
func fileConfig(path string) stream.SourceConfig {
	cfg := stream.DefaultSource()
	cfg.Kind = stream.KindFile
	cfg.File.Path, cfg.File.Key, cfg.File.Payload = path, "k", []string{"v"}
	return cfg
}

// openOne opens the source of a job with one subtask; it is closed with the test.
func openOne(tb testing.TB, cfg stream.SourceConfig, task string) stream.Source {
	tb.Helper()
	s, err := stream.OpenSources(cfg, stream.SourceEnv{Subtasks: 1, Seed: 1, Task: task, OpenFile: Open})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := stream.CloseSources(s); err != nil {
			tb.Error(err)
		}
	})
	return s[0]
}

// batch is n records without times, which files do not look at.
func batch(n int) *stream.Batch {
	b := new(stream.Batch)
	b.Resize(n)
	return b
}

// write puts content into a file of a fresh folder.
func write(tb testing.TB, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func zstded(text string) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll([]byte(text), nil)
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

// flat renders records one a line, size at a time, until the source ends, and
// what it ends with.
func flat(s stream.Source, size, most int) (lines []string, err error) {
	b := new(stream.Batch)
	for len(lines) < most && err == nil {
		b.Resize(min(size, most-len(lines)))
		var n int
		n, err = s.Fill(b)
		for _, r := range b.Records[:n] {
			if r.Hash != stream.Hash(r.Key) {
				return lines, fmt.Errorf("key %q has hash %#x", r.Key, r.Hash)
			}
			lines = append(lines, fmt.Sprintf("%s|%s|%v", r.Key, r.Text, r.Values))
		}
	}
	return lines, err
}

// table is a small table with a text key, an integer and a number column.
func table(keys []string, numbers []float64) arrow.Record {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "k", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "i", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "v", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "t", Type: arrow.FixedWidthTypes.Timestamp_s, Nullable: true},
		{Name: "nested", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, k := range keys {
		if k == "null" {
			for j := range schema.NumFields() {
				b.Field(j).AppendNull()
			}
			continue
		}
		b.Field(0).(*array.StringBuilder).Append(k)
		b.Field(1).(*array.Int32Builder).Append(int32(i))
		b.Field(2).(*array.Float64Builder).Append(numbers[i])
		b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(i))
		b.Field(4).(*array.ListBuilder).AppendNull()
	}
	return b.NewRecord()
}

// oneBatch is table with a column more, a dictionary, which an Arrow file can't
// have anew in every batch.
func oneBatch(keys []string, numbers []float64) arrow.Record {
	t := table(keys, numbers)
	d := array.NewDictionaryBuilder(memory.DefaultAllocator, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String})
	defer d.Release()
	for _, k := range keys {
		if k == "null" {
			d.AppendNull()
		} else {
			_ = d.(*array.BinaryDictionaryBuilder).AppendString(k)
		}
	}
	column := d.NewArray()
	fields := append(t.Schema().Fields(), arrow.Field{Name: "d", Type: column.DataType(), Nullable: true})
	return array.NewRecord(arrow.NewSchema(fields, nil), append(t.Columns(), column), t.NumRows())
}

// arrowBytes writes batches as an Arrow file, an Arrow stream or Parquet.
func arrowBytes(tb testing.TB, format string, batches ...arrow.Record) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "x")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	schema := ipc.WithSchema(batches[0].Schema())
	var w interface {
		Write(arrow.Record) error
		Close() error
	}
	switch format {
	case "file":
		w, err = ipc.NewFileWriter(f, schema, ipc.WithZstd())
	case "stream":
		w = ipc.NewWriter(f, schema)
	case "parquet":
		w, err = pqarrow.NewFileWriter(batches[0].Schema(), f, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(3)), pqarrow.DefaultWriterProps())
	}
	if err != nil {
		tb.Fatal(err)
	}
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	_ = f.Close() // Parquet's writer has closed it
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// The same table in every format gives the same records, told apart by content:
// every file has the same name.
func TestFileFormats(t *testing.T) {
	const text = "v,x,k\n1,,b\n2.5,,a\n-3,\"q,\"\"\n\",b\n1e3,,\"c \nd\"\n"
	keys, numbers := []string{"b", "a", "b", "c \nd"}, []float64{1, 2.5, -3, 1000}
	batches := []arrow.Record{table(keys[:1], numbers[:1]), table(nil, nil), table(keys[1:], numbers[1:])}
	want := []string{"b||[1]", "a||[2.5]", "b||[-3]", "c \nd||[1000]"}
	for name, content := range map[string][]byte{
		"csv":                     []byte(text),
		"csv with CRLF":           []byte(strings.ReplaceAll(text, "\n", "\r\n")),
		"csv without a last line": []byte(strings.TrimSuffix(text, "\n")),
		"csv with a byte order mark before the column read": []byte("\ufeff" + text),
		"gzip":                zipped(text),
		"gzip in two members": append(zipped(text[:20]), zipped(text[20:])...),
		"arrow file":          arrowBytes(t, "file", batches...),
		"arrow stream":        arrowBytes(t, "stream", batches...),
		"parquet":             arrowBytes(t, "parquet", batches...),
	} {
		got, err := flat(openOne(t, fileConfig(write(t, "data", content)), stream.TaskTDigest), 3, 100)
		if err != io.EOF || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q, EOF", name, got, err, want)
		}
	}
}

// All ways to write the same rows give the same records.
func TestForms(t *testing.T) {
	want := []string{"a||[1]", "b||[2]", "7||[3]"}
	for _, c := range []struct {
		why     string
		content string
		set     func(*stream.FileConfig)
	}{
		{"CSV", "k,v\na,1\nb,2\n7,3\n", nil},
		{"zstd", string(zstded("k,v\na,1\nb,2\n7,3\n")), nil},
		{"bzip2", bzipped, nil},
		{"tabs", "k\tv\na\t1\nb\t2\n7\t3\n", func(c *stream.FileConfig) { c.Delimiter = `\t` }},
		{"no header", "a,1\nb,2\n7,3\n", func(c *stream.FileConfig) { c.Header, c.Key, c.Payload = false, "1", []string{"2"} }},
		{"comments", "# made by hand\nk,v\na,1\n#b,7\nb,2\n7,3\n", func(c *stream.FileConfig) { c.Comment = "#" }},
		{"CR line ends", "k,v\ra,1\rb,2\r7,3\r", nil},
		{"CR LF line ends", "k,v\r\na,1\r\nb,2\r\n7,3\r\n", nil},
		{"JSON Lines", "{\"k\":\"a\",\"v\":1}\n\n{\"v\":\"2\",\"k\":\"b\",\"more\":[]}\n{\"k\":7,\"v\":3.0}", nil},
		{"gzipped JSON Lines", string(zipped("{\"k\":\"a\",\"v\":1}\n{\"v\":2,\"k\":\"b\"}\n{\"k\":7,\"v\":3}")), nil},
		{"values in objects", "{\"ev\":{\"k\":\"a\",\"x\":{\"v\":1}}}\n{\"ev\":{\"k\":\"b\",\"x\":{\"v\":2}}}\n{\"ev\":{\"k\":7,\"x\":{\"v\":3}}}", func(c *stream.FileConfig) { c.Key, c.Payload = "ev.k", []string{"ev.x.v"} }},
		{"a byte order mark", "\ufeff{\"k\":\"a\",\"v\":1}\n{\"v\":2,\"k\":\"b\"}\n{\"k\":7,\"v\":3}", nil},
		{"structs in Arrow", string(nested(t, "file")), func(c *stream.FileConfig) { c.Key, c.Payload = "ev.k", []string{"ev.v"} }},
		{"structs in an Arrow stream", string(nested(t, "stream")), func(c *stream.FileConfig) { c.Key, c.Payload = "ev.k", []string{"ev.v"} }},
		{"structs in Parquet", string(nested(t, "parquet")), func(c *stream.FileConfig) { c.Key, c.Payload = "ev.k", []string{"ev.v"} }},
	} {
		cfg := fileConfig(write(t, "data", []byte(c.content)))
		if c.set != nil {
			c.set(&cfg.File)
		}
		if got, err := flat(openOne(t, cfg, stream.TaskTDigest), 2, 10); err != io.EOF || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", c.why, got, err, want)
		}
	}
}

// bzipped are the rows of TestForms, compressed by bzip2, which Go's library only reads.
const bzipped = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x85\x82\xc0\x5f\x00\x00\x07\x59\x80\x00\x10\x00\x04\x38\x80\x30\x08\x01\x00\x20\x00\x22\x00\x36\xa1\x00\x30\xa2\xf3\x92\x07\x19\xa3\xc5\xdc\x91\x4e\x14\x24\x21\x60\xb0\x17\xc0"

// nested is a table with the rows of TestForms in structs, and one that is null.
func nested(t *testing.T, form string) []byte {
	t.Helper()
	fields := []arrow.Field{{Name: "k", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "v", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "ev", Type: arrow.StructOf(fields...), Nullable: true}}, nil))
	defer b.Release()
	s := b.Field(0).(*array.StructBuilder)
	for i, k := range []string{"a", "b", "7"} {
		s.Append(true)
		s.FieldBuilder(0).(*array.StringBuilder).Append(k)
		s.FieldBuilder(1).(*array.Float64Builder).Append(float64(i + 1))
	}
	return arrowBytes(t, form, b.NewRecord())
}

// Columns of other types serve as keys and values too.
func TestArrowTypes(t *testing.T) {
	content := arrowBytes(t, "file", oneBatch([]string{"b", "a", "b"}, []float64{1, 2, 3}))
	for _, c := range []struct {
		why, key, payload string
		want              []string
	}{
		{"a dictionary as key", "d", "v", []string{"b||[1]", "a||[2]", "b||[3]"}},
		{"whole numbers as key and values", "i", "i", []string{"0||[0]", "1||[1]", "2||[2]"}},
		{"numbers with a point as key", "v", "v", []string{"1||[1]", "2||[2]", "3||[3]"}},
		{"a time as key", "t", "i", []string{"1970-01-01 00:00:00Z||[0]", "1970-01-01 00:00:01Z||[1]", "1970-01-01 00:00:02Z||[2]"}},
	} {
		cfg := fileConfig(write(t, "data", content))
		cfg.File.Key, cfg.File.Payload = c.key, []string{c.payload}
		if got, err := flat(openOne(t, cfg, stream.TaskTDigest), 10, 10); err != io.EOF || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.why, got, err, c.want)
		}
	}
}

func TestFileRecords(t *testing.T) {
	const text = "k,v,w,s\na,1,10,One two\nb,2,20,\n03,3,30,THREE three!\n"
	for _, c := range []struct {
		why, task string
		set       func(*stream.FileConfig)
		want      []string
	}{
		{"count reads no payload", stream.TaskCount, func(*stream.FileConfig) {}, []string{"a||[]", "b||[]", "03||[]"}},
		{"count needs none to be named", stream.TaskCount, func(c *stream.FileConfig) { c.Payload = nil }, []string{"a||[]", "b||[]", "03||[]"}},
		{"several values per record", stream.TaskTDigest, func(c *stream.FileConfig) { c.Payload = []string{"w", "v"} }, []string{"a||[10 1]", "b||[20 2]", "03||[30 3]"}},
		{"a sentence", stream.TaskWordcount, func(c *stream.FileConfig) { c.Payload = []string{"s"} }, []string{"a|One two|[]", "b|| []", "03|THREE three!|[]"}},
		{"the key may be the payload", stream.TaskWordcount, func(c *stream.FileConfig) { c.Payload = []string{"k"} }, []string{"a|a|[]", "b|b|[]", "03|03|[]"}},
		{"a record per word, which is its own sentence", stream.TaskWordcount, func(c *stream.FileConfig) { c.Key, c.Split, c.Payload = "s", stream.SplitWords, nil }, []string{"one|one|[]", "two|two|[]", "three|three|[]", "three|three|[]"}},
		{"a record per word with the row's sentence", stream.TaskWordcount, func(c *stream.FileConfig) { c.Key, c.Split, c.Payload = "s", stream.SplitWords, []string{"k"} }, []string{"one|a|[]", "two|a|[]", "three|03|[]", "three|03|[]"}},
		{"a record per word with the row's values", stream.TaskTDigest, func(c *stream.FileConfig) { c.Key, c.Split = "s", stream.SplitWords }, []string{"one||[1]", "two||[1]", "three||[3]", "three||[3]"}},
		{"bad rows left out", stream.TaskCount, func(c *stream.FileConfig) { c.KeyType, c.OnBadRow = stream.KeyInteger, stream.BadRowSkip }, []string{"3||[]"}},
	} {
		cfg := fileConfig(write(t, "data", []byte(text)))
		c.set(&cfg.File)
		for i := range c.want {
			c.want[i] = strings.ReplaceAll(c.want[i], " []", "[]")
		}
		if got, err := flat(openOne(t, cfg, c.task), 2, 10); err != io.EOF || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.why, got, err, c.want)
		}
	}
	cfg := fileConfig(write(t, "data", []byte("k;v\n1,5;x\n")))
	cfg.File.Delimiter = ";"
	if got, err := flat(openOne(t, cfg, stream.TaskWordcount), 2, 10); err != io.EOF || !slices.Equal(got, []string{"1,5|x|[]"}) {
		t.Errorf("another delimiter: %q, %v", got, err)
	}
}

// What is wrong with the configuration for the task is said before a file is
// opened, by ValidateFor and OpenSources alike.
func TestPayloadForTask(t *testing.T) {
	for _, c := range []struct {
		why, task string
		payload   []string
		want      string
	}{
		{"a sentence is one column", stream.TaskWordcount, []string{"v", "w"}, "file.payload: names 2 columns; wordcount reads one with sentences: [sentence]"},
		{"a sentence is needed", stream.TaskWordcount, nil, "file.payload: names 0 columns; wordcount reads one with sentences: [sentence]"},
		{"numbers are needed", stream.TaskTDigest, nil, "file.payload: is empty; tdigest reads one or more columns with numbers: [delay]"},
	} {
		cfg := fileConfig("not to be opened")
		cfg.File.Payload = c.payload
		if err := cfg.ValidateFor(c.task); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.why, err, c.want)
		}
		if _, err := stream.OpenSources(cfg, stream.SourceEnv{Subtasks: 1, Task: c.task, OpenFile: Open}); err == nil || err.Error() != "source: "+c.want {
			t.Errorf("%s: %v, want source: %s", c.why, err, c.want)
		}
	}
}

// Subtask s of S has the rows s, s+S, ... of every format, bad ones included in
// the counting, also when it starts again at the end.
func TestSubtasksShareRows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(rt, "rows")
		keys, numbers, text := make([]string, n), make([]float64, n), "k,v\n"
		for i := range n {
			keys[i], numbers[i] = fmt.Sprint("r", i), float64(i)
			if text += fmt.Sprintf("r%d,%d\n", i, i); rapid.IntRange(0, 4).Draw(rt, "bad") == 0 {
				keys[i], numbers[i] = "null", 0
				text = text[:strings.LastIndexByte(text[:len(text)-1], '\n')+1] + rapid.SampledFrom([]string{"x\n", "x,y\n", "x,1,2\n"}).Draw(rt, "row")
			}
		}
		format := rapid.SampledFrom([]string{"csv", "file", "stream", "parquet"}).Draw(rt, "format")
		content := []byte(text)
		if format != "csv" {
			content = arrowBytes(t, format, table(keys[:n/2], numbers[:n/2]), table(keys[n/2:], numbers[n/2:]))
		}
		cfg := fileConfig(write(t, "data", content))
		cfg.File.OnBadRow, cfg.File.Loop = stream.BadRowSkip, rapid.Bool().Draw(rt, "loop")
		subtasks := rapid.IntRange(1, 5).Draw(rt, "subtasks")
		sources, err := stream.OpenSources(cfg, stream.SourceEnv{Subtasks: subtasks, Task: stream.TaskTDigest, OpenFile: Open})
		if err != nil {
			rt.Fatal(err)
		}
		defer stream.CloseSources(sources)
		skipped := int64(0)
		for s, source := range sources {
			var want []string
			for i := s; i < n; i += subtasks {
				if keys[i] == "null" {
					skipped++
				} else {
					want = append(want, fmt.Sprintf("r%d||[%d]", i, i))
				}
			}
			most := len(want) + 1
			if cfg.File.Loop && len(want) > 0 {
				want = append(want, want...)
				most = len(want)
			}
			got, err := flat(source, 3, most)
			if !slices.Equal(got, want) {
				rt.Fatalf("%s: subtask %d of %d: %q, want %q", format, s, subtasks, got, want)
			}
			if _, again := flat(source, 3, 1); !cfg.File.Loop && (err == nil || again != err) {
				rt.Fatalf("%s: subtask %d of %d ends with %v, and then with %v", format, s, subtasks, err, again)
			}
		}
		if got, example := SkippedRows(sources); !cfg.File.Loop && (got != skipped || (example == nil) != (skipped == 0)) {
			rt.Fatalf("%s: %d rows skipped, want %d; one of them: %v", format, got, skipped, example)
		}
	})
}

// A closed source says so.
func TestFileClosed(t *testing.T) {
	s, err := Open(fileConfig(write(t, "data", []byte("k,v\na,1\n"))).File, stream.NoPayload, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSources(s); err != nil {
		t.Fatal(err)
	}
	if _, err := s[0].Fill(batch(1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Fill after Close: %v", err)
	}
}

// The names kept for reuse are bounded; names beyond them are right all the same.
func TestInternerIsBounded(t *testing.T) {
	in := newInterner()
	for i := range internKeys + 1000 {
		if k := in.of(fmt.Sprint(i)); k.name != fmt.Sprint(i) || k.hash != stream.Hash(k.name) {
			t.Fatalf("%d has become %+v", i, k)
		}
	}
	in.of(strings.Repeat("x", 10*internBytes))
	if len(in.seen) != internKeys {
		t.Errorf("%d names kept, want %d", len(in.seen), internKeys)
	}
}

// The real inputs hold what is known of them: 327,346 flights, top
// shares of 5, 17 and 8.5 %. (A word ends at an apostrophe here, so there are
// some more of them.)
func TestRealData(t *testing.T) {
	if testing.Short() {
		t.Skip("reads all of the real data")
	}
	for _, c := range []struct {
		name, task string
		file       stream.FileConfig
		records    int
		keys       int
		top        string
		share      float64
	}{
		{"flights by destination", stream.TaskTDigest, flights(), 327_346, 104, "ATL", 0.05},
		{"flights by carrier", stream.TaskTDigest, by(flights(), "carrier"), 327_346, 16, "UA", 0.17},
		{"addresses by word", stream.TaskCount, sotu(), 1_818_512, 25_180, "the", 0.085},
	} {
		cfg := stream.DefaultSource()
		cfg.Kind, cfg.File = stream.KindFile, c.file
		s, counts, records := openOne(t, cfg, c.task), map[string]int{}, 0
		for b := batch(4096); ; {
			n, err := s.Fill(b)
			for _, r := range b.Records[:n] {
				counts[r.Key]++
			}
			if records += n; err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if records != c.records || len(counts) != c.keys {
			t.Errorf("%s: %d records of %d keys, want %d of %d", c.name, records, len(counts), c.records, c.keys)
		}
		if share := float64(counts[c.top]) / float64(records); share < c.share*0.9 || share > c.share*1.1 {
			t.Errorf("%s: %s has a share of %v, want about %v", c.name, c.top, share, c.share)
		}
	}
}

func by(cfg stream.FileConfig, key string) stream.FileConfig {
	cfg.Key = key
	return cfg
}

// Whatever bytes a CSV file has, reading it ends with the end or an error, and two
// subtasks have the rows of one.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"k,v\na,1\nb,2\n", "k,v\n\"a\"\"\n,\",1e5\n", "v,k\r\n1,\xff\r\n", "k,v\na\n,\n\"", "\ufeffk,v\n,NaN\n", "k,v\n\x00,0x1p3", string(zipped("k,v\na,1\n")), string(zstded("k,v\na,1\n")), "BZh91AY&SY", "{\"k\":\"a\",\"v\":1}\n{\"k\":{\"k\":[]},\"v\":null}\n", "k,v\ra,1\rb,2\r",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	path := filepath.Join(f.TempDir(), "data")
	f.Fuzz(func(t *testing.T, content []byte, words bool) {
		defer memtest.Limit(t, 192<<20+4096*len(content))()
		if kindOf(content) > jsonFile {
			t.Skip("read by libraries of their own")
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := fileConfig(path)
		if cfg.File.OnBadRow = stream.BadRowSkip; words {
			cfg.File.Split = stream.SplitWords
		}
		var got [][]string
		for _, subtasks := range []int{1, 2} {
			sources, err := stream.OpenSources(cfg, stream.SourceEnv{Subtasks: subtasks, Task: stream.TaskTDigest, OpenFile: Open})
			if err != nil {
				return
			}
			var all []string
			for _, s := range sources {
				lines, err := flat(s, 7, 1<<20)
				if err == nil {
					t.Fatal("no end")
				}
				all = append(all, lines...)
			}
			slices.Sort(all)
			got = append(got, all)
			if err := stream.CloseSources(sources); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(got[0], got[1]); d != "" {
			t.Errorf("one subtask (-) and two (+):\n%s", d)
		}
	})
}

// FuzzArrow: whatever bytes an Arrow or Parquet file has, opening and reading it ends with
// rows or an error.
func FuzzArrow(f *testing.F) {
	for _, format := range []string{"file", "stream", "parquet"} {
		f.Add(arrowBytes(f, format, oneBatch([]string{"a", "null", "b", "a"}, []float64{1, 2, 3, 4})))
	}
	path := filepath.Join(f.TempDir(), "data")
	f.Fuzz(func(t *testing.T, content []byte) {
		defer memtest.Limit(t, 3<<30)()
		if kindOf(content) <= jsonFile {
			t.Skip("FuzzCSV reads it")
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"k", "d", "t"} {
			cfg := fileConfig(path)
			cfg.File.Key, cfg.File.OnBadRow = key, stream.BadRowSkip
			sources, err := stream.OpenSources(cfg, stream.SourceEnv{Subtasks: 1, Task: stream.TaskTDigest, OpenFile: Open})
			if err != nil {
				continue
			}
			_, _ = flat(sources[0], 7, 1000)
			if err := stream.CloseSources(sources); err != nil {
				t.Fatal(err)
			}
		}
	})
}
