package sticky

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"time"
)

// Kind says what a token binds a client to. A cookie of one kind is no good in
// place of another.
type Kind uint8

// The kinds of tokens, by the cookie that holds them.
const (
	Target      Kind = 1 + iota // AWSALB: a target
	Application                 // AWSALBAPP-0: a target, while the application's cookie lasts
	Group                       // AWSALBTG: a target group of a weighted forward action
)

// Token is what a cookie says.
type Token struct {
	Kind   Kind
	Scope  uint64 // ID of the target group; of the forward action, where Kind is Group
	Key    uint64 // ID of the target; of the target group, where Kind is Group
	Issued int64  // Unix time in seconds
}

// maxSkew is how far the clocks of two nodes may differ: a token may come from
// the future by as much.
const maxSkew = 5 * time.Minute

// Fresh tells whether a token may still be used at the Unix time now, in
// seconds, when it is good for the given time.
func (t *Token) Fresh(now int64, valid time.Duration) bool {
	age := time.Duration(now-t.Issued) * time.Second
	return -maxSkew <= age && age < valid
}

// ID names something in a token by the hash of its parts. The parts are set
// apart, so that ("a", "bc") is not ("ab", "c").
func ID(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return h.Sum64()
}

// The sealed form, in base64 (URL alphabet, no padding): version, key id, nonce,
// then the encrypted token and its tag. The first two are authenticated too.
const (
	version    = 1
	idSize     = 4
	nonceSize  = 12
	tagSize    = 16
	headSize   = 1 + idSize
	plainSize  = 1 + 8 + 8 + 8
	sealedSize = headSize + nonceSize + plainSize + tagSize
)

var encoding = base64.RawURLEncoding

// ValueSize is the length of a cookie's value in bytes.
const ValueSize = (sealedSize*8 + 5) / 6

// Seal returns the value of a cookie that says t. It asks the kernel for random
// bytes and allocates: callers seal once a second per target, not per request.
func (k *Keys) Seal(t Token) string {
	one := &k.ring[0]
	var plain [plainSize]byte
	plain[0] = byte(t.Kind)
	binary.BigEndian.PutUint64(plain[1:], t.Scope)
	binary.BigEndian.PutUint64(plain[9:], t.Key)
	binary.BigEndian.PutUint64(plain[17:], uint64(t.Issued))

	b := make([]byte, headSize+nonceSize, sealedSize)
	b[0] = version
	copy(b[1:], one.id[:])
	nonce := b[headSize:]
	rand.Read(nonce) // never fails
	return encoding.EncodeToString(one.aead.Seal(b, nonce, plain[:], b[:headSize]))
}

// Scratch is room for opening a cookie. One that lives as long as its user saves
// an allocation per cookie.
type Scratch [sealedSize]byte

// Open reads the value of a cookie; false when it is none of ours, was changed,
// or is of a key that is not in the ring. It does not allocate.
func (k *Keys) Open(value []byte, b *Scratch) (t Token, ok bool) {
	if len(value) != ValueSize {
		return Token{}, false
	}
	if n, err := encoding.Decode(b[:], value); err != nil || n != sealedSize || b[0] != version {
		return Token{}, false
	}
	one := k.find(b[1:headSize])
	if one == nil {
		return Token{}, false
	}
	nonce, sealed := b[headSize:headSize+nonceSize], b[headSize+nonceSize:]
	plain, err := one.aead.Open(sealed[:0], nonce, sealed, b[:headSize])
	if err != nil {
		return Token{}, false
	}
	t = Token{
		Kind:   Kind(plain[0]),
		Scope:  binary.BigEndian.Uint64(plain[1:]),
		Key:    binary.BigEndian.Uint64(plain[9:]),
		Issued: int64(binary.BigEndian.Uint64(plain[17:])),
	}
	return t, true
}
