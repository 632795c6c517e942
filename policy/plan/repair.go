package plan

// list chains the loaded slots of every worker, heaviest first.
func (p *Planner) list() {
	for _, ranked := range p.sorted { // lightest first, so that the heaviest ends up in front
		s := int32(p.slot(ranked))
		w := p.home[s]
		first := p.head[w]
		p.next[s], p.before[s] = first, -1
		if first >= 0 {
			p.before[first] = s
		} else {
			p.tail[w] = s
		}
		p.head[w] = s
	}
}

// repair is step 4 of the plan. It reports whether there was anything to repair; with dry it
// changes nothing. It repeats because a change can give a stuck worker a new partner. It ends
// because a worker whose load a split made exact does not change any more.
func (p *Planner) repair(dry bool) (changed bool) {
	for {
		moved := p.moveSlots(dry)
		if moved && dry {
			return true
		}
		split := p.splitKeys(dry)
		changed = changed || moved || split
		if dry || !moved && !split {
			return changed
		}
	}
}

// most returns the worker with the largest excess over its capacity, among the workers that
// are not stuck and exceed the slack; -1 if there is none.
func (p *Planner) most() int {
	o, most := -1, int64(0)
	for w, headroom := range p.headroom {
		if over := -headroom; over > most && over > p.slack[w]+ulps && !p.stuck[w] {
			o, most = w, over
		}
	}
	return o
}

// moveSlots moves slots from the most overloaded worker to the worker with the most headroom
// while a move helps. If no single slot helps, it exchanges two. It prefers the
// largest load that does not overshoot, and otherwise takes the smallest that still lowers
// the larger deviation. Each step lowers the sum of squared deviations, so the loop ends.
func (p *Planner) moveSlots(dry bool) (changed bool) {
	clear(p.stuck)
	for o := p.most(); o >= 0; o = p.most() {
		u := int(p.mostHeadroom())
		s, t := p.exchange(o, u)
		if s < 0 {
			p.stuck[o] = true
			continue
		}
		if dry {
			return true
		}
		changed = true
		p.moveSlot(s, u)
		if t >= 0 {
			p.moveSlot(t, o)
		}
	}
	return changed
}

// exchange chooses the slot s that moves from o to u, and the slot t that moves back; -1:
// none. s is -1 if nothing helps.
func (p *Planner) exchange(o, u int) (s, t int32) {
	over, headroom := -p.headroom[o], p.headroom[u]
	exact, limit := min(over, headroom), over+headroom-ulps
	s, t = -1, -1
	if headroom <= 0 {
		return s, t
	}
	best := int64(0)
	offer := func(a, b int32, d int64) {
		if d <= ulps || d >= limit {
			return
		}
		if s < 0 || d <= exact && (best > exact || d > best) || d > exact && d < best {
			s, t, best = a, b, d
		}
	}
	for a := p.head[o]; a >= 0; a = p.next[a] {
		offer(a, -1, p.loads[a])
		if p.loads[a] <= exact { // the others are lighter still
			break
		}
	}
	b := p.head[u]
	if b < 0 || s >= 0 && best <= exact {
		return s, t
	}
	for a := p.head[o]; a >= 0; a = p.next[a] {
		// b is the lightest slot of u that makes the exchange no more than exact.
		for p.next[b] >= 0 && p.loads[a]-p.loads[p.next[b]] <= exact {
			b = p.next[b]
		}
		if d := p.loads[a] - p.loads[b]; d > exact/64 { // a smaller gain is not worth two moves
			offer(a, b, d)
		}
		if c := p.next[b]; c >= 0 {
			offer(a, c, p.loads[a]-p.loads[c])
		}
	}
	return s, t
}

// moveSlot moves a slot to another worker, after the slots that are at least as heavy. It
// searches from both ends, since many slots have equal loads, and there are many moves.
func (p *Planner) moveSlot(s int32, to int) {
	load, from := p.loads[s], int(p.home[s])
	p.link(from, p.before[s], p.next[s])
	before, next := p.tail[to], p.head[to]
	for {
		if before < 0 || p.loads[before] >= load {
			next = p.head[to]
			if before >= 0 {
				next = p.next[before]
			}
			break
		}
		if p.loads[next] < load {
			before = p.before[next]
			break
		}
		before, next = p.before[before], p.next[next]
	}
	p.link(to, before, s)
	p.link(to, s, next)
	p.home[s] = uint16(to)
	p.headroom[from] += load
	p.headroom[to] -= load
}

// link makes two slots neighbours in a worker's chain; -1 stands for its end.
func (p *Planner) link(worker int, before, next int32) {
	if before < 0 {
		p.head[worker] = next
	} else {
		p.next[before] = next
	}
	if next < 0 {
		p.tail[worker] = before
	} else {
		p.before[next] = before
	}
}

// splitKeys moves load of named keys from the most overloaded worker to the worker with the
// most headroom. It moves what makes the load of one of the two exact, or a key's whole part
// if that is less.
func (p *Planner) splitKeys(dry bool) (changed bool) {
	clear(p.stuck)
	for o := p.most(); o >= 0; o = p.most() {
		u := int(p.mostHeadroom())
		x := min(-p.headroom[o], p.headroom[u])
		k, at := p.giver(uint16(o), uint16(u), x)
		if k == nil || x <= ulps {
			p.stuck[o] = true
			continue
		}
		if dry {
			return true
		}
		changed = true
		load := min(x, k.parts[at].load)
		p.headroom[o] += load
		if k.parts[at].load -= load; k.parts[at].load == 0 {
			k.parts = append(k.parts[:at], k.parts[at+1:]...)
		}
		p.put(k, uint16(u), load)
	}
	return changed
}

// giver chooses the key whose load x moves from worker o to u, and its part at o. It
// prefers a key that is also at u, which adds no pair, and then a key that is already split.
// Otherwise it takes the lightest key whose part is enough, or the heaviest part.
func (p *Planner) giver(o, u uint16, x int64) (best *namedKey, at int) {
	grade := 0
	for i := range p.named {
		k := &p.named[i]
		j, there := -1, false
		for n, t := range k.parts {
			if t.worker == o {
				j = n
			}
			there = there || t.worker == u
		}
		if j < 0 || k.parts[j].load == 0 {
			continue
		}
		g, load := 1, k.parts[j].load
		if !there && load > x && !p.Config.allows(len(k.parts)+1) {
			continue
		}
		switch {
		case there:
			g = 4
		case len(k.parts) > 1:
			g = 3
		case load >= x:
			g = 2
		}
		better := g > grade
		if g == grade {
			if g == 2 {
				better = load < best.parts[at].load
			} else {
				better = load > best.parts[at].load
			}
		}
		if better {
			best, at, grade = k, j, g
		}
	}
	return best, at
}
