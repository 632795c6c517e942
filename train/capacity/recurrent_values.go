//go:build torch

package capacity

import "github.com/saspart/saspart/train/recording"

// valuesMost is the largest number of transitions evaluated in one recording.
const valuesMost = 256

// Values are the means, over about most transitions of recordings, of the smallest critic's
// value: of the recorded action, and of the policy's most likely one.
func (t *RecurrentSACN) Values(recordings recording.Recordings, most int) (data, own float64) {
	n := 0
	for _, r := range recordings {
		if n >= most {
			break
		}
		d, o, some := t.values(r, min(r.Windows()-1, valuesMost))
		data, own, n = data+d, own+o, n+some
	}
	if n == 0 {
		return 0, 0
	}
	return data / float64(n), own / float64(n)
}

// values sums over the first transitions of a recording, and counts them.
func (t *RecurrentSACN) values(r *recording.Recording, steps int) (data, own float64, n int) {
	if steps < 1 {
		return 0, 0, 0
	}
	p := r.Raw.Workers
	w := t.net.Views(t.actor.W)
	t.unroll.begin([]recording.Stretch{{Recording: r}}, 0, steps)
	t.unroll.forward(&w)
	state := make([]float32, steps*p*(recording.StateWidth+recording.CommonWidth))
	act := [2][]float32{make([]float32, steps*p), make([]float32, steps*p)}
	for at := range steps {
		for w := range p {
			row := state[(at*p+w)*(recording.StateWidth+recording.CommonWidth):]
			copy(row, r.State[(at*p+w)*recording.StateWidth:][:recording.StateWidth])
			copy(row[recording.StateWidth:], r.Common[at*recording.CommonWidth:][:recording.CommonWidth])
			act[0][at*p+w] = r.Share[(at+1)*p+w]
			act[1][at*p+w] = float32(t.unroll.logShare(at)[w])
		}
		if r.Usable[at+1] {
			n++
		}
	}
	tape := t.critics.tape(steps, p, 1)
	for i, sum := range []*float64{&data, &own} {
		centre(act[i], p, 1)
		tape.forward(t.pool, t.critic.W, state, r.Common[:steps*recording.CommonWidth], act[i])
		for at := range steps {
			if r.Usable[at+1] {
				least, _ := leastOf(tape.q, at, steps)
				*sum += least
			}
		}
	}
	return data, own, n
}
