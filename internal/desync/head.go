package desync

import "github.com/elbow-lb/elbow/internal/httpmsg"

// ClassifyHead judges a head that http1.ParseRequest accepted, as Classify does
// its bytes, which h.Buf must still hold.
//
// The parser leaves little to find: every byte is one that is allowed where it
// stands, lines end with CRLF, the version is 1.0 or 1.1, and the fields that
// frame the body come once, are valid and do not contradict each other. So only
// two things need a closer look: a body on GET or HEAD, and a field whose name
// is nearly that of a framing field.
func ClassifyHead(h *httpmsg.Head) (Tier, Reason) {
	if !questionable(h) {
		return Compliant, NoReason
	}
	return Classify(h.Buf[h.Method.Off:h.Size])
}

func questionable(h *httpmsg.Head) bool {
	if h.MethodID == httpmsg.MethodGet || h.MethodID == httpmsg.MethodHead {
		if h.ContentLength >= 0 || h.Body == httpmsg.BodyChunked {
			return true
		}
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		// A known name is no other in disguise.
		if f.ID != httpmsg.OtherField || f.Name.Len < uint32(len(contentLength)) {
			continue
		}
		if _, like := framing(h.Bytes(f.Name)); like != distant {
			return true
		}
	}
	return false
}
