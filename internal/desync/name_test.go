package desync

import (
	"math/rand/v2"
	"testing"
)

// TestNames holds the comparison of names to its model, over names that were made
// from the two by changes in a few places.
func TestNames(t *testing.T) {
	const junk = "-_ \t\x01.~!/:\x7f\x80\xc5\xbf\xc4\xb1\xff" + "aAsSiI09"
	rnd := rand.New(rand.NewPCG(1, 2))
	near := 0
	for range 50_000 {
		name := []byte([]string{transferEncoding, contentLength}[rnd.IntN(2)])
		for range rnd.IntN(4) {
			i, c := rnd.IntN(len(name)+1), junk[rnd.IntN(len(junk))]
			switch k := rnd.IntN(5); {
			case k == 0 && i < len(name):
				name[i] = c
			case k == 1 && i < len(name) && name[i] >= 'a':
				name[i] -= 0x20
			case k == 2 && i < len(name):
				name = append(name[:i], name[i+1:]...)
			case k == 3:
				for j := i; j < len(name); j++ {
					name[j] = junk[rnd.IntN(len(junk)-8)] // no letter, no digit
				}
			default:
				name = append(name[:i], append([]byte{c}, name[i:]...)...)
			}
		}
		te, teSame := modelNear(string(name), modelTE, transferEncoding)
		cl, clSame := modelNear(string(name), modelCL, contentLength)
		want := distant
		switch {
		case teSame || clSame:
			want = exact
		case te || cl:
			want = similar
			near++
		}
		if isTE, like := framing(name); like != want || isTE != te {
			t.Fatalf("%q: likeness %d, Transfer-Encoding %v; the model says %d, %v", name, like, isTE, want, te)
		}
	}
	if near < 5_000 {
		t.Errorf("only %d names are similar", near)
	}
}
