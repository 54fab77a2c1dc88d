package desync

import (
	"bytes"
	"strings"
	"testing"
)

func seed(f *testing.F) {
	for _, g := range groups {
		for _, c := range g.cases {
			f.Add([]byte(c.head))
		}
	}
}

// FuzzClassify: the verdict is the model's, always the same, that of the head
// alone, and of a whole head the same whether it is said to be whole.
func FuzzClassify(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		tier, r := Classify(b)
		if want := model(string(b)); r != want || tier != r.Tier() {
			t.Fatalf("%q: %v, the model says %v", b, r, want)
		}
		if _, again := Classify(bytes.Clone(b)); again != r {
			t.Fatalf("%q: %v, then %v", b, r, again)
		}
		_, p := ClassifyPart(b)
		if end := headEnd(b); end >= 0 {
			if p != r {
				t.Fatalf("%q: %v, as a part %v", b, r, p)
			}
			if _, cut := Classify(b[:end:end]); cut != r {
				t.Fatalf("%q: %v, without what follows %v", b, r, cut)
			}
			if _, more := Classify(append(b[:end:end], "\x00\nContent-Length: x\r\n\r\n"...)); more != r {
				t.Fatalf("%q: %v, with more after it %v", b, r, more)
			}
		}
	})
}

// headEnd is where the empty line ends that ends the head b, or -1.
func headEnd(b []byte) int {
	at := bytes.IndexByte(b, '\n') + 1
	for at > 0 && at < len(b) {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			break
		}
		empty := strings.TrimSuffix(string(b[at:at+n]), "\r") == ""
		if at += n + 1; empty {
			return at
		}
	}
	return -1
}

// FuzzClassifyHead: of every head that the parser accepts both ways say the same.
func FuzzClassifyHead(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if !agrees(t, b) {
			agrees(t, []byte("POST / HTTP/1.1\r\nHost: h\r\n"+string(b)+"\r\n\r\n"))
			agrees(t, []byte("HEAD / HTTP/1.1\r\nHost: h\r\n"+string(b)+": 1\r\n\r\n"))
		}
	})
}
