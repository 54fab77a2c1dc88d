package http1

import "bytes"

// HeadComplete reports whether the empty line that ends a head is in buf, given that
// it was not in buf[:from]. After ParseRequest or ParseResponse wanted more bytes,
// calling this before parsing again makes input that dribbles in cost one
// look at each byte. An empty line made of bare LFs counts: parsing refuses it at
// once. If len(buf) has reached the limit of the head, parse whatever
// this says.
func HeadComplete(buf []byte, from int) bool {
	i := max(from-len("\r\n\r"), 0)
	for {
		k := bytes.IndexByte(buf[i:], '\n')
		if k < 0 {
			return false
		}
		i += k + 1
		if i < len(buf) && buf[i] == '\n' || i+1 < len(buf) && buf[i] == '\r' && buf[i+1] == '\n' {
			return true
		}
	}
}
