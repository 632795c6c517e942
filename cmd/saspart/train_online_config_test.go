package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/setup"
)

// TestReadyOnlineTrainings: the ready configurations load, and hold what the package
// says that they hold.
func TestReadyOnlineTrainings(t *testing.T) {
	a := &app{}
	for name, want := range map[string]online.Config{
		"": online.Default(), "online": online.Default(), "reference-online": online.Reference(),
	} {
		got, err := a.loadOnline(trainOnlineOptions{experiment: "reference-8", training: name, engine: setup.ClosedForm})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		one, errOne := json.Marshal(got.Training)
		other, errOther := json.Marshal(want)
		if err := errors.Join(errOne, errOther); err != nil {
			t.Fatal(err)
		}
		if string(one) != string(other) {
			t.Errorf("%q holds\n%s\nwant\n%s", name, one, other)
		}
	}
	if got := strings.Join(configs.OnlineNames(), " "); got != "online reference-online" {
		t.Errorf("ready trainings %s", got)
	}
}
