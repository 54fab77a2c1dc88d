package rule

import "bytes"

// pattern is a compiled wildcard pattern: '*' stands for any bytes or none, '?'
// for any one byte.
//
// It is kept as the literal-or-'?' segments between the stars. Without a star
// the text must equal the only segment. Otherwise the first segment must begin
// the text, the last must end it, and those between must occur in order between
// the two; taking the leftmost occurrence of each leaves the most room for the
// rest, so no choice ever needs to be undone.
type pattern struct {
	fold  bool // compare ASCII letters without case; segments are lower case
	star  bool // there is at least one '*'
	first segment
	last  segment   // empty without a star
	mid   []segment // non-empty ones between the first and the last star
	min   int       // length of the shortest text that can match
}

// segment is a run of a pattern without stars.
type segment struct {
	text []byte
	any  []byte // nil, or as long as text with a 1 wherever the pattern had '?'

	// masks[c] has bit i set when c may stand at i; for a segment that is
	// searched for, is no longer than a word and needs more than bytes.Index.
	masks *[256]uint64
}

// compilePattern compiles a wildcard pattern. With escapes, \* and \? stand for
// the characters themselves.
func compilePattern(s string, fold, escapes bool) pattern {
	p := pattern{fold: fold}
	var text, any []byte
	var segments []segment
	cut := func() { // ends the segment being collected
		if bytes.IndexByte(any, 1) < 0 {
			any = nil
		}
		segments = append(segments, segment{text: text, any: any})
		text, any = nil, nil
	}
	for i := 0; i < len(s); i++ {
		c, wild := s[i], byte(0)
		switch {
		case c == '*':
			cut()
			continue
		case c == '?':
			wild = 1
		case c == '\\' && escapes && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?'):
			i++
			c = s[i]
		case fold:
			c = lower[c]
		}
		text, any = append(text, c), append(any, wild)
		p.min++
	}
	cut()
	p.first = segments[0]
	if n := len(segments); n > 1 {
		p.star = true
		p.last = segments[n-1]
		for _, seg := range segments[1 : n-1] {
			if len(seg.text) != 0 {
				seg.masks = p.masks(&seg)
				p.mid = append(p.mid, seg)
			}
		}
	}
	return p
}

// match tells whether the whole text matches.
func (p *pattern) match(text []byte) bool {
	if len(text) < p.min || !p.star && len(text) != p.min {
		return false
	}
	if !p.at(&p.first, text) {
		return false
	}
	if !p.star {
		return true
	}
	end := len(text) - len(p.last.text)
	if !p.at(&p.last, text[end:]) {
		return false
	}
	text = text[len(p.first.text):end]
	for i := range p.mid {
		seg := &p.mid[i]
		at := p.index(seg, text)
		if at < 0 {
			return false
		}
		text = text[at+len(seg.text):]
	}
	return true
}

// at tells whether text begins with the segment; text is long enough.
func (p *pattern) at(seg *segment, text []byte) bool {
	text = text[:len(seg.text)]
	if !p.fold && seg.any == nil {
		return bytes.Equal(text, seg.text)
	}
	for i, c := range text {
		if p.fold {
			c = lower[c]
		}
		if c != seg.text[i] && (seg.any == nil || seg.any[i] == 0) {
			return false
		}
	}
	return true
}

// index returns where the segment first occurs in text, or -1.
func (p *pattern) index(seg *segment, text []byte) int {
	if !p.fold && seg.any == nil {
		return bytes.Index(text, seg.text)
	}
	if seg.masks != nil {
		// Shift-and: bit i of state is set when the last i+1 bytes are the
		// first i+1 of the segment. One step for each byte, whatever the text.
		state, whole := uint64(0), uint64(1)<<(len(seg.text)-1)
		for i, c := range text {
			if state = (state<<1 | 1) & seg.masks[c]; state&whole != 0 {
				return i + 1 - len(seg.text)
			}
		}
		return -1
	}
	for i := 0; i+len(seg.text) <= len(text); i++ {
		if p.at(seg, text[i:]) {
			return i
		}
	}
	return -1
}

// masks builds the masks of a segment, or returns nil when it needs none or is
// too long for them.
func (p *pattern) masks(seg *segment) *[256]uint64 {
	if !p.fold && seg.any == nil || len(seg.text) > 64 {
		return nil
	}
	m := new([256]uint64)
	for c := range m {
		b := byte(c)
		if p.fold {
			b = lower[b]
		}
		for i := range seg.text {
			if b == seg.text[i] || seg.any != nil && seg.any[i] != 0 {
				m[c] |= 1 << i
			}
		}
	}
	return m
}

// literal tells whether the pattern has no wildcard; its text is first.text.
func (p *pattern) literal() bool { return !p.star && p.first.any == nil }

// prefix returns the literal bytes every match begins with, and whether they
// are all there is to check: the pattern is those bytes and then one star.
func (p *pattern) prefix() (s string, whole bool) {
	s = string(p.first.text)
	if i := bytes.IndexByte(p.first.any, 1); i >= 0 {
		return s[:i], false
	}
	return s, p.star && len(p.last.text) == 0 && len(p.mid) == 0
}

// suffix returns the literal bytes every match ends with, and whether they are
// all there is to check: the pattern is one star and then those bytes.
func (p *pattern) suffix() (s string, whole bool) {
	seg := p.last
	if !p.star {
		seg = p.first
	}
	s = string(seg.text)
	if i := bytes.LastIndexByte(seg.any, 1); i >= 0 {
		return s[i+1:], false
	}
	return s, p.star && len(p.first.text) == 0 && len(p.mid) == 0
}

// lower maps each byte to its ASCII lower case.
var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// lowerString returns s with ASCII letters in lower case. strings.ToLower would
// also change letters outside ASCII, and their length with them.
func lowerString(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower[c]
	}
	return string(b)
}
