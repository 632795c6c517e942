package file

import (
	"io"
	"testing"

	"github.com/saspart/saspart/stream"
)

func BenchmarkCSV(b *testing.B) {
	for _, bench := range []struct {
		name, task string
		file       stream.FileConfig
	}{
		{"flights", stream.TaskTDigest, flights()},
		{"sotu-by-word", stream.TaskCount, sotu()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			cfg := stream.DefaultSource()
			cfg.Kind, cfg.File = stream.KindFile, bench.file
			cfg.File.Loop = true
			s, batch := openOne(b, cfg, bench.task), batch(512)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Fill(batch); err != nil && err != io.EOF {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(batch.Records)), "ns/record")
		})
	}
}

// flights reads the delays of the flights data by destination.
func flights() stream.FileConfig {
	cfg := stream.DefaultSource().File
	cfg.Path, cfg.Key, cfg.Payload = "../../testdata/flights.csv.gz", "dest", []string{"arr_delay"}
	return cfg
}

// sotu reads the addresses word by word.
func sotu() stream.FileConfig {
	cfg := stream.DefaultSource().File
	cfg.Path, cfg.Key, cfg.Split = "../../testdata/sotu.csv.gz", "sentence", stream.SplitWords
	return cfg
}
