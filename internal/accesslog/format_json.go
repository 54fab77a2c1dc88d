package accesslog

import (
	"net/netip"
	"strconv"
)

// appendJSON appends r as one JSON object, newline included. The keys are the
// names of the documented fields; client:port and target:port are two keys
// each. What ELB's format writes as "-" is null here.
func appendJSON(dst []byte, r *Record, s *stamper) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, r.Type.String()...)
	dst = append(dst, `","time":"`...)
	dst = s.appendTime(dst, r.Time)
	dst = append(dst, `","elb":`...)
	dst = appendJSONWord(dst, r.ELB)
	dst = append(dst, `,"client_ip":`...)
	dst = appendJSONAddr(dst, r.Client.Addr())
	dst = append(dst, `,"client_port":`...)
	dst = appendJSONPort(dst, r.Client)
	dst = append(dst, `,"target_ip":`...)
	dst = appendJSONAddr(dst, r.Target.Addr())
	dst = append(dst, `,"target_port":`...)
	dst = appendJSONPort(dst, r.Target)
	dst = append(dst, `,"request_processing_time":`...)
	dst = appendSeconds(dst, r.RequestTime)
	dst = append(dst, `,"target_processing_time":`...)
	dst = appendSeconds(dst, r.TargetTime)
	dst = append(dst, `,"response_processing_time":`...)
	dst = appendSeconds(dst, r.ResponseTime)
	dst = append(dst, `,"elb_status_code":`...)
	dst = appendJSONStatus(dst, r.ELBStatus)
	dst = append(dst, `,"target_status_code":`...)
	dst = appendJSONStatus(dst, r.TargetStatus)
	dst = append(dst, `,"received_bytes":`...)
	dst = strconv.AppendInt(dst, r.ReceivedBytes, 10)
	dst = append(dst, `,"sent_bytes":`...)
	dst = strconv.AppendInt(dst, r.SentBytes, 10)
	dst = append(dst, `,"request_method":`...)
	dst = appendJSONField(dst, r.Method, maxMethod)
	dst = append(dst, `,"request_scheme":"`...)
	dst = append(dst, r.Type.scheme()...)
	dst = append(dst, `","request_host":`...)
	dst = appendJSONField(dst, r.Host, maxHost)
	dst = append(dst, `,"request_port":`...)
	dst = strconv.AppendUint(dst, uint64(r.Port), 10)
	dst = append(dst, `,"request_uri":`...)
	dst = appendJSONField(dst, r.URI, maxURI)
	dst = append(dst, `,"request_protocol":`...)
	dst = appendJSONWord(dst, r.Protocol)
	dst = append(dst, `,"user_agent":`...)
	dst = appendJSONField(dst, r.UserAgent, maxUserAgent)
	dst = append(dst, `,"ssl_cipher":`...)
	dst = appendJSONWord(dst, r.SSLCipher)
	dst = append(dst, `,"ssl_protocol":`...)
	dst = appendJSONWord(dst, r.SSLProtocol)
	dst = append(dst, `,"target_group_arn":`...)
	dst = appendJSONWord(dst, r.TargetGroup)
	dst = append(dst, `,"trace_id":`...)
	dst = appendJSONField(dst, r.TraceID, maxTraceID)
	dst = append(dst, `,"domain_name":`...)
	dst = appendJSONWord(dst, r.DomainName)
	dst = append(dst, `,"chosen_cert_arn":`...)
	dst = appendJSONWord(dst, r.ChosenCert)
	dst = append(dst, `,"matched_rule_priority":`...)
	if r.RulePriority < RuleError {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendInt(dst, int64(r.RulePriority), 10)
	}
	dst = append(dst, `,"request_creation_time":"`...)
	dst = s.appendTime(dst, r.CreationTime)
	dst = append(dst, `","actions_executed":`...)
	dst = appendJSONWord(dst, r.Actions)
	dst = append(dst, `,"redirect_url":`...)
	dst = appendJSONField(dst, r.RedirectURL, maxRedirect)
	dst = append(dst, `,"error_reason":`...)
	dst = appendJSONWord(dst, r.ErrorReason)
	dst = append(dst, `,"target_port_list":[`...)
	if r.Target.IsValid() {
		dst = append(dst, '"')
		dst = appendAddrPort(dst, r.Target)
		dst = append(dst, '"')
	}
	dst = append(dst, `],"target_status_code_list":[`...)
	if r.TargetStatus > 0 {
		dst = appendStatus(dst, r.TargetStatus)
	}
	dst = append(dst, `],"classification":`...)
	dst = appendJSONWord(dst, r.Classification)
	dst = append(dst, `,"classification_reason":`...)
	dst = appendJSONWord(dst, r.ClassificationReason)
	dst = append(dst, `,"conn_trace_id":`...)
	dst = appendJSONField(dst, r.ConnTraceID, maxWord)
	dst = append(dst, `,"transformed_host":`...)
	dst = appendJSONField(dst, r.TransformedHost, maxHost)
	dst = append(dst, `,"transformed_uri":`...)
	dst = appendJSONField(dst, r.TransformedURI, maxURI)
	dst = append(dst, `,"request_transform_status":`...)
	dst = appendJSONWord(dst, r.TransformStatus)
	dst = append(dst, `,"ip_address":`...)
	dst = appendJSONAddr(dst, r.Node)
	return append(dst, '}', '\n')
}

func appendJSONField(dst, s []byte, limit int) []byte {
	if len(s) == 0 {
		return append(dst, "null"...)
	}
	return appendJSONString(dst, s, limit)
}

func appendJSONWord(dst []byte, s string) []byte {
	return appendJSONField(dst, view(s), maxWord)
}

func appendJSONAddr(dst []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = appendAddr(dst, a)
	return append(dst, '"')
}

func appendJSONPort(dst []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(dst, "null"...)
	}
	return strconv.AppendUint(dst, uint64(a.Port()), 10)
}

func appendJSONStatus(dst []byte, status int) []byte {
	if status <= 0 {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, int64(status), 10)
}
