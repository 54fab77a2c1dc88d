package httpmsg

import "encoding/binary"

// Known names are 2 (te) to 24 (sec-websocket-extensions) bytes long, so three
// overlapping words hold any of them.
const (
	minName = 2
	maxName = 24

	lowerBits = 0x2020202020202020
	// hashMul gives each known name its own slot; the test of the table and
	// init both insist on it. Adding a name may need another odd number.
	hashMul   = 0x3b0d11399d13b2fb
	hashShift = 56
)

// known is a name as words in lower case. mask has 0x20 where the name has a
// letter: or-ing it folds case there and nowhere else, so that no control byte
// passes for '-' or a digit.
type known struct {
	word, mask [3]uint64
	len        uint8
	id         FieldID
}

var (
	knownNames [NumFieldIDs]known // [0] matches nothing: its length is 0
	knownSlot  [1 << (64 - hashShift)]uint8
)

func init() {
	for id := OtherField + 1; id < NumFieldIDs; id++ {
		name := []byte(fieldTable[id].name)
		mask := make([]byte, len(name))
		for i, c := range name {
			if c >= 'a' && c <= 'z' {
				mask[i] = 0x20
			}
		}
		k := &knownNames[id]
		k.len, k.id = uint8(len(name)), id
		k.word[0], k.word[1], k.word[2] = words(name)
		k.mask[0], k.mask[1], k.mask[2] = words(mask)
		slot := &knownSlot[slotOf(k.word[0], k.word[1])]
		if *slot != 0 {
			panic("httpmsg: field names " + FieldID(*slot).String() + " and " + id.String() + " share a slot: choose another hashMul")
		}
		*slot = uint8(id)
	}
}

// words returns the bytes of name, minName to maxName long, as words: the first
// eight, the last eight, and the second eight of a name longer than 16.
func words(name []byte) (w0, w1, w2 uint64) {
	n := len(name)
	switch {
	case n >= 8:
		w0 = binary.LittleEndian.Uint64(name)
		w1 = binary.LittleEndian.Uint64(name[n-8:])
		if n > 16 {
			w2 = binary.LittleEndian.Uint64(name[8:])
		}
	case n >= 4:
		w0 = uint64(binary.LittleEndian.Uint32(name)) | uint64(binary.LittleEndian.Uint32(name[n-4:]))<<32
	default:
		w0 = uint64(name[0]) | uint64(name[1])<<8 | uint64(name[n-1])<<16
	}
	return w0, w1, w2
}

func slotOf(w0, w1 uint64) uint64 {
	return ((w0 | lowerBits) + (w1|lowerBits)*3) * hashMul >> hashShift
}

// Identify returns the id of a field name in any case. The name may hold any
// bytes; what is identified is certain to be a valid name.
func Identify(name []byte) FieldID {
	n := len(name)
	if n < minName || n > maxName {
		return OtherField
	}
	// As words does, which is too large to be inlined.
	var w0, w1, w2 uint64
	if n >= 8 {
		w0 = binary.LittleEndian.Uint64(name)
		w1 = binary.LittleEndian.Uint64(name[n-8:])
		if n > 16 {
			w2 = binary.LittleEndian.Uint64(name[8:])
		}
	} else if n >= 4 {
		w0 = uint64(binary.LittleEndian.Uint32(name)) | uint64(binary.LittleEndian.Uint32(name[n-4:]))<<32
	} else {
		w0 = uint64(name[0]) | uint64(name[1])<<8 | uint64(name[n-1])<<16
	}
	k := &knownNames[knownSlot[slotOf(w0, w1)]]
	if int(k.len) != n || w0|k.mask[0] != k.word[0] || w1|k.mask[1] != k.word[1] || w2|k.mask[2] != k.word[2] {
		return OtherField
	}
	return k.id
}

// EqualFold reports whether b is lower, which must be in lower case, in any case.
// Only ASCII letters have case.
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := 0; i < len(lower); i++ {
		c := b[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func hasPrefixFold(b []byte, lower string) bool {
	return len(b) >= len(lower) && EqualFold(b[:len(lower)], lower)
}
