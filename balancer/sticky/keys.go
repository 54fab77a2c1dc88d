package sticky

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// keySize is the length of a key in bytes (AES-256).
const keySize = 32

// maxKeys bounds the keys of a file. Each cookie names its key, so more cost
// nothing, but nobody rotates that often within a cookie's week.
const maxKeys = 64

// Keys seals and opens cookies. It never changes, and may be used by any number
// of goroutines.
type Keys struct {
	ring []key // the first one seals
}

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// NewKeys returns a ring of one new random key.
func NewKeys() *Keys {
	k, err := newKey(randomKey())
	if err != nil {
		panic(err) // the size is right
	}
	return &Keys{ring: []key{k}}
}

// GenerateFile returns the content of a key file with one new key.
func GenerateFile() []byte {
	return []byte("# Stickiness cookie keys, one per line. The first one seals new cookies, all open old ones:\n" +
		"# to rotate, put a new line on top (openssl rand -base64 32) and remove the oldest after a week.\n" +
		base64.StdEncoding.EncodeToString(randomKey()) + "\n")
}

// ParseKeys reads a key file: one key per line, 32 bytes in base64, the one that
// seals first. Empty lines and lines that begin with # are skipped. Errors name the
// line and never the key.
func ParseKeys(file []byte) (*Keys, error) {
	k := &Keys{}
	n := 0
	for line := range strings.Lines(string(file)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(raw) != keySize {
			return nil, fmt.Errorf("line %d: expected a key of %d bytes in base64, as `openssl rand -base64 %d` writes it", n, keySize, keySize)
		}
		one, err := newKey(raw)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if k.find(one.id[:]) != nil {
			return nil, fmt.Errorf("line %d: the same key as on a line above; remove one", n)
		}
		if k.ring = append(k.ring, one); len(k.ring) > maxKeys {
			return nil, fmt.Errorf("line %d: more than %d keys; remove those older than a week", n, maxKeys)
		}
	}
	if len(k.ring) == 0 {
		return nil, errors.New("no key in it; `openssl rand -base64 32` makes one")
	}
	return k, nil
}

func randomKey() []byte {
	raw := make([]byte, keySize)
	rand.Read(raw) // never fails
	return raw
}

// newKey names the key by its hash, so that nodes need not agree on names.
func newKey(raw []byte) (key, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, err
	}
	sum := sha256.Sum256(append([]byte("elbow stickiness key id\x00"), raw...))
	k := key{aead: aead}
	copy(k.id[:], sum[:])
	return k, nil
}

// find returns the key of an id, or nil.
func (k *Keys) find(id []byte) *key {
	for i := range k.ring {
		if string(k.ring[i].id[:]) == string(id) {
			return &k.ring[i]
		}
	}
	return nil
}
