package policy

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A clone is equal and shares no list, whatever fields a window has.
func TestWindowClone(t *testing.T) {
	w := &Window{Step: 3, Partitioner: "hash", Route: HashRoute(2)}
	v := reflect.ValueOf(w).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice {
			f.Set(reflect.MakeSlice(f.Type(), 2, 2))
		}
	}
	c := w.Clone()
	if diff := cmp.Diff(w, c); diff != "" {
		t.Fatalf("-window +clone:\n%s", diff)
	}
	for i := range v.NumField() {
		f, of := v.Field(i), reflect.ValueOf(c).Elem().Field(i)
		if f.Kind() == reflect.Slice && f.Pointer() == of.Pointer() {
			t.Errorf("%s is shared", v.Type().Field(i).Name)
		}
	}
}
