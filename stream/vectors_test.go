package stream_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/stream"
	"github.com/saspart/saspart/stream/file"
)

var update = flag.Bool("update", false, "rewrite the vectors in testdata/stream")

// The vectors in testdata/stream/records.json say which records sources make
// and when, for the sources of other languages to be compared with.
const vectorsPath = "../testdata/stream/records.json"

// vectorRecords is how many records of each subtask are made.
const vectorRecords = 5000

// vectorCase is a stream and what is in it.
type vectorCase struct {
	Why      string          `json:"why"`
	Source   json.RawMessage `json:"source"` // as a job's source, all else by default; files by their path in the repository
	Task     string          `json:"task"`
	Subtasks int             `json:"subtasks"`
	Seed     uint64          `json:"seed"`
	Rate     float64         `json:"rate"`
	Spacing  string          `json:"spacing"`
	First    []string        `json:"first"`   // by subtask: its first record
	Digests  []string        `json:"digests"` // by subtask: FNV-1a of its records, see digest
	Result   string          `json:"result"`  // of the first 100 records of each subtask, as AppendExact renders it
}

// digest is a hash of records. Each contributes its time, then its key and its text, each
// after its length, then the number of values and each value in millionths, rounded down.
// Numbers are 8 bytes, little endian.
func digest(records []stream.Record) string {
	h := fnv.New64a()
	var buf []byte
	for i := range records {
		r := &records[i]
		buf = binary.LittleEndian.AppendUint64(buf[:0], uint64(r.Time))
		for _, s := range []string{r.Key, r.Text} {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(len(s)))
			buf = append(buf, s...)
		}
		buf = binary.LittleEndian.AppendUint64(buf, uint64(len(r.Values)))
		for _, v := range r.Values {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(int64(math.Floor(v*1e6))))
		}
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// vectorCases are the streams of the vectors.
func vectorCases() []vectorCase {
	return []vectorCase{
		{Why: "the default", Source: json.RawMessage(`{"kind":"zipf"}`),
			Task: stream.TaskWordcount, Subtasks: 1, Seed: 1, Rate: 10_000, Spacing: stream.SpacingEven},
		{Why: "few keys, shuffled, of even probability; long words; several subtasks",
			Source: json.RawMessage(`{"kind":"zipf","keys":17,"exponent":0,"shuffle":true,"sentences":{"words":3,"vocabulary":100000,"exponent":0.5}}`),
			Task:   stream.TaskWordcount, Subtasks: 3, Seed: 42, Rate: 777, Spacing: stream.SpacingEven},
		{Why: "sentences of unequal length, by key",
			Source: json.RawMessage(`{"kind":"zipf","keys":500,"exponent":1.2,"sentences":{"words":4,"spread":1.2,"most":60}}`),
			Task:   stream.TaskWordcount, Subtasks: 2, Seed: 3, Rate: 5000, Spacing: stream.SpacingEven},
		{Why: "values; random times",
			Source: json.RawMessage(`{"kind":"zipf","keys":1000,"exponent":1.2,"values":{"per_record":3,"mean":5,"between":2,"within":0.5}}`),
			Task:   stream.TaskTDigest, Subtasks: 2, Seed: 1 << 63, Rate: 100_000, Spacing: stream.SpacingPoisson},
		{Why: "a sequence that deals the keys anew",
			Source: json.RawMessage(`{"kind":"zipf-sequence","keys":300,"sequence":{"exponents":[0.8,2],"interval":"300ms","reshuffle":true}}`),
			Task:   stream.TaskCount, Subtasks: 2, Seed: 7, Rate: 5000, Spacing: stream.SpacingEven},
		{Why: "a key that drifts",
			Source: json.RawMessage(`{"kind":"drift","keys":200,"exponent":1,"drift":{"low":0.1,"high":0.9,"period":"700ms"}}`),
			Task:   stream.TaskCount, Subtasks: 1, Seed: 7, Rate: 3000, Spacing: stream.SpacingPoisson},
		{Why: "a file with numbers, gzipped",
			Source: json.RawMessage(`{"kind":"file","file":{"path":"testdata/flights.csv.gz","key":"dest","payload":["arr_delay"],"on_bad_row":"skip"}}`),
			Task:   stream.TaskTDigest, Subtasks: 3, Seed: 1, Rate: 1e6, Spacing: stream.SpacingEven},
		{Why: "a file of sentences, by speaker",
			Source: json.RawMessage(`{"kind":"file","file":{"path":"testdata/sotu.csv.gz","key":"speaker","payload":["sentence"]}}`),
			Task:   stream.TaskWordcount, Subtasks: 2, Seed: 1, Rate: 1e6, Spacing: stream.SpacingEven},
		{Why: "a file of sentences, a record for each word",
			Source: json.RawMessage(`{"kind":"file","file":{"path":"testdata/sotu.csv.gz","key":"sentence","split":"words","loop":true}}`),
			Task:   stream.TaskWordcount, Subtasks: 2, Seed: 1, Rate: 1e6, Spacing: stream.SpacingEven},
	}
}

// TestVectors: the sources make the records of the vectors.
func TestVectors(t *testing.T) {
	var cases []vectorCase
	for _, c := range vectorCases() {
		cfg := stream.DefaultSource()
		if _, err := strict.Load("source", c.Source, &cfg, strict.Layers{}); err != nil {
			t.Fatal(err)
		}
		if cfg.Kind == stream.KindFile {
			cfg.File.Path = "../" + cfg.File.Path
		}
		sources, err := stream.OpenSources(cfg, stream.SourceEnv{Subtasks: c.Subtasks, Seed: c.Seed, Task: c.Task, OpenFile: file.Open})
		if err != nil {
			t.Fatal(err)
		}
		defer stream.CloseSources(sources)
		task, err := stream.NewTask(stream.TaskConfig{Name: c.Task, Compression: 20})
		if err != nil {
			t.Fatal(err)
		}
		state := task.NewState()
		for i, source := range sources {
			times := make([]int64, vectorRecords)
			stream.NewArrivals(stream.RateConfig{Kind: stream.RateFixed, Rate: c.Rate, Spacing: c.Spacing}, i, c.Subtasks, c.Seed).Fill(times, math.MaxInt64)
			b := &stream.Batch{}
			b.Resize(vectorRecords)
			for k, at := range times {
				b.Records[k].Time = at
			}
			if _, err := source.Fill(b); err != nil {
				t.Fatal(err)
			}
			r := &b.Records[0]
			c.First = append(c.First, fmt.Sprintf("%d %s %q %.6f", r.Time, r.Key, r.Text, r.Values))
			c.Digests = append(c.Digests, digest(b.Records))
			for k := range b.Records[:100] {
				state.Add(&b.Records[k])
			}
		}
		c.Result = string(stream.AppendExact(nil, state))
		cases = append(cases, c)
	}
	got, err := json.MarshalIndent(cases, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(vectorsPath), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsPath, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the records are not those of %s, which jobs in other languages make too; if that is meant, run with -update and mend those", vectorsPath)
	}
}
