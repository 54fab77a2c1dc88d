package accesslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// splitLine splits a line into its fields, without their quotes. It is as
// simple as a reader of the log may be: it knows no escapes.
func splitLine(line []byte) (fields []string, err error) {
	text, ok := strings.CutSuffix(string(line), "\n")
	if !ok || strings.Contains(text, "\n") {
		return nil, fmt.Errorf("not one line")
	}
	for {
		var field string
		if rest, quoted := strings.CutPrefix(text, `"`); quoted {
			field, text, ok = strings.Cut(rest, `"`)
			if !ok {
				return nil, fmt.Errorf("field %d: quote not closed", len(fields)+1)
			}
		} else {
			end := strings.IndexByte(text, ' ')
			if end < 0 {
				end = len(text)
			}
			field, text = text[:end], text[end:]
			if field == "" || strings.Contains(field, `"`) {
				return nil, fmt.Errorf("field %d: %q", len(fields)+1, field)
			}
		}
		fields = append(fields, field)
		if text == "" {
			return fields, nil
		}
		if text, ok = strings.CutPrefix(text, " "); !ok {
			return nil, fmt.Errorf("field %d: no space after it", len(fields))
		}
	}
}

// unescape restores what appendEscaped was given.
func unescape(t *testing.T, s string) []byte {
	t.Helper()
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		var b byte
		if _, err := fmt.Sscanf(s[i:min(i+4, len(s))], `\x%02X`, &b); err != nil {
			t.Fatalf("%q: bad escape at %d: %v", s, i, err)
		}
		out = append(out, b)
		i += 3
	}
	return out
}

func unixNano(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixNano()
}

// forwarded is the example of the ELB guide for an HTTPS listener.
func forwarded() Record {
	return Record{
		Type:         TypeHTTPS,
		Time:         unixNano("2018-07-02T22:23:00.186641Z"),
		CreationTime: unixNano("2018-07-02T22:22:48.364Z"),
		ELB:          "app/my-loadbalancer/50dc6c495c0c9188",
		Client:       netip.MustParseAddrPort("192.168.131.39:2817"),
		Target:       netip.MustParseAddrPort("10.0.0.1:80"),
		RequestTime:  86e6, TargetTime: 48e6, ResponseTime: 37e6,
		ELBStatus: 200, TargetStatus: 200, ReceivedBytes: 0, SentBytes: 57,
		Method: []byte("GET"), Host: []byte("www.example.com"), Port: 443, URI: []byte("/"), Protocol: "HTTP/1.1",
		UserAgent: []byte("curl/7.46.0"), SSLCipher: "ECDHE-RSA-AES128-GCM-SHA256", SSLProtocol: "TLSv1.2",
		TargetGroup:  "targetgroup/my-targets/73e2d6bc24d8a067",
		TraceID:      []byte("Root=1-58337281-1d84f3d73c47ec4e58577259"),
		DomainName:   "www.example.com",
		ChosenCert:   "www",
		RulePriority: 1,
		Actions:      "authenticate,forward",
		ConnTraceID:  []byte("TID_1234abcd5678ef901234abcd5678ef90"),
		Node:         netip.MustParseAddr("10.0.1.4"),
	}
}

func TestELBLine(t *testing.T) {
	f := func(name string, r Record, want string) {
		t.Helper()
		got := string(appendELB(nil, &r, new(stamper)))
		if got != want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
		if fields, err := splitLine([]byte(got)); err != nil || len(fields) != Fields {
			t.Errorf("%s: %d fields, %v", name, len(fields), err)
		}
	}

	r := forwarded()
	f("forwarded", r, `https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 `+
		`0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" `+
		`ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "www" `+
		`1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" `+
		`TID_1234abcd5678ef901234abcd5678ef90 "-" "-" "-" 10.0.1.4`)

	r.Reset()
	f("nothing known", r, `http 1970-01-01T00:00:00.000000Z - - - -1 -1 -1 - - 0 0 "- http://-:0- -" "-" - - - "-" "-" "-" `+
		`- 1970-01-01T00:00:00.000000Z "-" "-" "-" "-" "-" "-" "-" - "-" "-" "-" -`)

	r.Reset()
	r.Client = netip.MustParseAddrPort("[2001:db8::7]:1234")
	r.ELBStatus, r.RulePriority, r.Port, r.Host = 400, RuleError, 80, []byte("lb")
	r.Classification, r.ClassificationReason = "Severe", "BadUri"
	f("malformed, IPv6 client", r, `http 1970-01-01T00:00:00.000000Z - [2001:db8::7]:1234 - -1 -1 -1 400 - 0 0 "- http://lb:80- -" "-" `+
		`- - - "-" "-" "-" -1 1970-01-01T00:00:00.000000Z "-" "-" "-" "-" "-" "Severe" "BadUri" - "-" "-" "-" -`)

	r = Record{
		Type: TypeWSS, Client: netip.MustParseAddrPort("[::ffff:192.0.2.1]:1"), Node: netip.MustParseAddr("fe80::1%eth0"),
		ELBStatus: 302, Method: []byte("GET"), Host: []byte("a b"), Port: 443, URI: []byte(`/a b"\`), Protocol: "HTTP/1.1",
		UserAgent: []byte("a \"quoted\"\r\n\x1b[31m\\ \xc3\xa9"), TargetGroup: "odd name", RedirectURL: []byte("https://x/"), Actions: "redirect",
		TransformedHost: []byte("h"), TransformedURI: []byte("/u"), TransformStatus: "TransformSuccess",
	}
	f("hostile", r, `wss 1970-01-01T00:00:00.000000Z - 192.0.2.1:1 - 0.000 0.000 0.000 302 - 0 0 `+
		`"GET https://a\x20b:443/a\x20b\x22\x5C HTTP/1.1" "a \x22quoted\x22\x0D\x0A\x1B[31m\x5C \xC3\xA9" - - odd\x20name "-" "-" "-" `+
		`0 1970-01-01T00:00:00.000000Z "redirect" "https://x/" "-" "-" "-" "-" "-" - "h" "/u" "TransformSuccess" fe80::1`)
}

func TestTypeNames(t *testing.T) {
	want := []string{"http", "https", "h2", "grpcs", "ws", "wss", "-"}
	for i, name := range want {
		if got := Type(i).String(); got != name {
			t.Errorf("Type(%d) = %q, want %q", i, got, name)
		}
	}
}

func TestJSONLine(t *testing.T) {
	r := forwarded()
	got := string(appendJSON(nil, &r, new(stamper)))
	want := `{"type":"https","time":"2018-07-02T22:23:00.186641Z","elb":"app/my-loadbalancer/50dc6c495c0c9188",` +
		`"client_ip":"192.168.131.39","client_port":2817,"target_ip":"10.0.0.1","target_port":80,` +
		`"request_processing_time":0.086,"target_processing_time":0.048,"response_processing_time":0.037,` +
		`"elb_status_code":200,"target_status_code":200,"received_bytes":0,"sent_bytes":57,` +
		`"request_method":"GET","request_scheme":"https","request_host":"www.example.com","request_port":443,"request_uri":"/",` +
		`"request_protocol":"HTTP/1.1","user_agent":"curl/7.46.0","ssl_cipher":"ECDHE-RSA-AES128-GCM-SHA256","ssl_protocol":"TLSv1.2",` +
		`"target_group_arn":"targetgroup/my-targets/73e2d6bc24d8a067","trace_id":"Root=1-58337281-1d84f3d73c47ec4e58577259","domain_name":"www.example.com",` +
		`"chosen_cert_arn":"www","matched_rule_priority":1,"request_creation_time":"2018-07-02T22:22:48.364000Z",` +
		`"actions_executed":"authenticate,forward","redirect_url":null,"error_reason":null,"target_port_list":["10.0.0.1:80"],` +
		`"target_status_code_list":[200],"classification":null,"classification_reason":null,` +
		`"conn_trace_id":"TID_1234abcd5678ef901234abcd5678ef90","transformed_host":null,"transformed_uri":null,` +
		`"request_transform_status":null,"ip_address":"10.0.1.4"}` + "\n"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}

	r.Reset()
	r.UserAgent = []byte("q\" b\\ \n é 😀 \xff \u009b")
	line := appendJSON(nil, &r, new(stamper))
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatal(err)
	}
	if want := "q\" b\\ \n é 😀 \ufffd \u009b"; m["user_agent"] != want {
		t.Errorf("user_agent = %q, want %q", m["user_agent"], want)
	}
	if m["matched_rule_priority"] != nil || m["target_ip"] != nil || m["target_processing_time"] != float64(-1) {
		t.Errorf("absent values: %s", line)
	}
}

// TestLimits holds every field against its limit, with bytes that need no
// escape and with bytes that grow most.
func TestLimits(t *testing.T) {
	for _, unit := range []string{"x", "\x00", "\xff", "é", "😀"} {
		long := []byte(strings.Repeat(unit, 40<<10))
		s := string(long)
		r := Record{
			ELB: s, Protocol: s, SSLCipher: s, SSLProtocol: s, TargetGroup: s, DomainName: s, ChosenCert: s, Actions: s, ErrorReason: s,
			Classification: s, ClassificationReason: s, ConnTraceID: long, TransformStatus: s,
			Method: long, Host: long, URI: long, UserAgent: long, TraceID: long, RedirectURL: long, TransformedHost: long, TransformedURI: long,
			Client: netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"),
			Target: netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"),
			Node:   netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666"),
			Time:   1<<63 - 1, CreationTime: -1 << 63, RequestTime: 1<<63 - 1, TargetTime: 1<<63 - 1, ResponseTime: 1<<63 - 1,
			ReceivedBytes: -1 << 63, SentBytes: -1 << 63, ELBStatus: 1<<63 - 1, TargetStatus: 1<<63 - 1, RulePriority: 1<<63 - 1, Port: 65535,
		}
		line := appendELB(nil, &r, new(stamper))
		if len(line) > r.room(4) || len(line) > maxLine {
			t.Errorf("%q: ELB line of %d bytes, room %d, limit %d", unit, len(line), r.room(4), maxLine)
		}
		fields, err := splitLine(line)
		if err != nil || len(fields) != Fields {
			t.Fatalf("%q: %d fields: %v", unit, len(fields), err)
		}
		if got := len(fields[13]); got > maxUserAgent || got < maxUserAgent-3 {
			t.Errorf("%q: user agent of %d bytes", unit, got)
		}
		if got := unescape(t, fields[13]); !bytes.HasPrefix(long, got) {
			t.Errorf("%q: user agent was not cut at a whole escape", unit)
		}
		line = appendJSON(nil, &r, new(stamper))
		if len(line) > r.room(6) || len(line) > maxLine {
			t.Errorf("%q: JSON line of %d bytes, room %d, limit %d", unit, len(line), r.room(6), maxLine)
		}
		if !json.Valid(line) {
			t.Errorf("%q: invalid JSON", unit)
		}
	}
	var empty Record
	if n := len(appendJSON(nil, &empty, new(stamper))); n > maxFixed {
		t.Errorf("an empty JSON line takes %d bytes, more than maxFixed", n)
	}
}

func TestAppendSeconds(t *testing.T) {
	for _, tt := range []struct {
		ns   int64
		want string
	}{
		{-1, "-1"}, {-5e9, "-1"}, {0, "0.000"}, {499_999, "0.000"}, {500_000, "0.001"}, {1_499_999, "0.001"},
		{999_499_999, "0.999"}, {999_500_000, "1.000"}, {61e9, "61.000"}, {1<<63 - 1, "9223372036.855"},
	} {
		if got := string(appendSeconds(nil, tt.ns)); got != tt.want {
			t.Errorf("appendSeconds(%d) = %q, want %q", tt.ns, got, tt.want)
		}
	}
}

func TestStamper(t *testing.T) {
	var s stamper
	for _, ns := range []int64{
		0, 1, 999, 1000, 999_999_999, 1e9, 0, 2e9, 1e9 - 1, -1, -1000, -1e9, 1 << 62, 1<<63 - 1, -1 << 63,
		unixNano("2024-02-29T23:59:59.999999999Z"), unixNano("2024-03-01T00:00:00Z"),
	} {
		want := time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000Z")
		if got := string(s.appendTime(nil, ns)); got != want {
			t.Errorf("appendTime(%d) = %s, want %s", ns, got, want)
		}
	}
}

func TestPlainPrefix(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for b := range 256 {
				s := bytes.Repeat([]byte{'a'}, n)
				s[at] = byte(b)
				for _, low := range []byte{' ', '!'} {
					want := n
					if !plain(byte(b), low) {
						want = at
					}
					if got := plainPrefix(s, low); got != want {
						t.Fatalf("plainPrefix(%q, %q) = %d, want %d", s, low, got, want)
					}
				}
			}
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("GET"), []byte("www.example.com"), []byte("/a?b=c"), []byte("curl/7.46.0"), "Root=1-58337281-1d84f3d73c47ec4e58577259")
	f.Add([]byte(`G"T`), []byte(" "), []byte("/\" \"-\" \n"), []byte(`trailing \`), "\x00\x7f\x80\u2028")
	f.Add([]byte{}, []byte("\\x22"), []byte("\r\n"), []byte(`" "forward" "`), "")
	f.Fuzz(func(t *testing.T, method, host, uri, agent []byte, word string) {
		r := Record{
			Method: method, Host: host, URI: uri, UserAgent: agent, TraceID: []byte(word), RedirectURL: agent, TransformedHost: host,
			TransformedURI: uri, ELB: word, Protocol: word, SSLCipher: word, SSLProtocol: word, TargetGroup: word, DomainName: word,
			ChosenCert: word, Actions: word, ErrorReason: word, Classification: word, ClassificationReason: word, ConnTraceID: []byte(word),
			TransformStatus: word,
		}
		line := appendELB(nil, &r, new(stamper))
		for _, b := range line[:len(line)-1] {
			if b < ' ' || b > '~' {
				t.Fatalf("byte %#x in %q", b, line)
			}
		}
		fields, err := splitLine(line)
		if err != nil || len(fields) != Fields {
			t.Fatalf("%d fields, %v, in %q", len(fields), err, line)
		}
		if n := len(strings.Split(fields[12], " ")); n != 3 {
			t.Fatalf("request line of %d parts: %q", n, fields[12])
		}
		if len(line) > r.room(4) {
			t.Fatalf("line of %d bytes, room %d", len(line), r.room(4))
		}
		if len(agent) > 0 && len(agent)*4 <= maxUserAgent {
			if got := unescape(t, fields[13]); !bytes.Equal(got, agent) {
				t.Fatalf("user agent %q came back as %q", agent, got)
			}
		}

		line = appendJSON(nil, &r, new(stamper))
		if !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 || len(line) > r.room(6) {
			t.Fatalf("JSON line of %d bytes, room %d: %q", len(line), r.room(6), line)
		}
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		if len(agent) > 0 && len(agent)*6+12 <= maxUserAgent && utf8.Valid(agent) && m["user_agent"] != string(agent) {
			t.Fatalf("user agent %q came back as %q", agent, m["user_agent"])
		}
	})
}
