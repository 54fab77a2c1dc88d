package lbtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/elbow-lb/elbow/internal/control"
)

var errNotStarted = errors.New("the load balancer is not started")

// verbHealth is "health GROUP SERVER STATE [REASON]": waits until the target is
// in that state.
func (r *run) verbHealth(args []string, _ bool) error {
	if len(args) < 3 || len(args) > 4 {
		return errors.New("health GROUP SERVER STATE [REASON]")
	}
	if r.lb == nil {
		return errNotStarted
	}
	t, err := r.target(args[1])
	if err != nil {
		return err
	}
	group, state := args[0], args[2]
	return r.until(func() error {
		st, err := r.lb.status()
		if err != nil {
			return err
		}
		seen, ok := findTarget(st, group, t)
		if !ok {
			if state == "unregistered" {
				return nil
			}
			return fmt.Errorf("expected %s/%s %s, seen no such target", group, t.name, state)
		}
		if err := check("state of "+group+"/"+t.name, state, seen.State); err != nil {
			return fmt.Errorf("%w %s (%s)", err, seen.Reason, seen.Description)
		}
		if len(args) == 4 {
			return check("reason of "+group+"/"+t.name, args[3], seen.Reason)
		}
		return nil
	})
}

func findTarget(st control.Status, group string, t *target) (control.TargetStatus, bool) {
	for _, g := range st.TargetGroups {
		for _, s := range g.Targets {
			if g.Name == group && s.Address == t.addr {
				return s, true
			}
		}
	}
	return control.TargetStatus{}, false
}

// verbStatus is "status PATH VALUE": waits until a field of the status, such as
// config.last_attempt_ok or target_groups.0.fail_open, has the value.
func (r *run) verbStatus(args []string, _ bool) error {
	if len(args) != 2 {
		return errors.New("status PATH VALUE")
	}
	if r.lb == nil {
		return errNotStarted
	}
	return r.until(func() error {
		st, err := r.lb.status()
		if err != nil {
			return err
		}
		raw, err := json.Marshal(st)
		if err != nil {
			return err
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		for _, key := range strings.Split(args[0], ".") {
			switch at := v.(type) {
			case map[string]any:
				v = at[key]
			case []any:
				i, err := strconv.Atoi(key)
				if err != nil || i >= len(at) {
					return fmt.Errorf("status has no %s", args[0])
				}
				v = at[i]
			}
		}
		seen := ""
		if v != nil {
			seen = fmt.Sprint(v)
		}
		return check("status "+args[0], args[1], seen)
	})
}

// verbMetric is "metric NAME{label=value,…} OP NUMBER": waits until the sum of
// all series with these labels is so.
func (r *run) verbMetric(args []string, _ bool) error {
	if len(args) != 3 {
		return errors.New("metric NAME{label=value,…} ==|>=|<=|>|< NUMBER")
	}
	if r.lb == nil {
		return errNotStarted
	}
	name, labels, _ := strings.Cut(strings.TrimSuffix(args[0], "}"), "{")
	want, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return err
	}
	holds, ok := map[string]func(a, b float64) bool{
		"==": func(a, b float64) bool { return a == b },
		">=": func(a, b float64) bool { return a >= b },
		"<=": func(a, b float64) bool { return a <= b },
		">":  func(a, b float64) bool { return a > b },
		"<":  func(a, b float64) bool { return a < b },
	}[args[1]]
	if !ok {
		return fmt.Errorf("unknown comparison %s", args[1])
	}
	return r.until(func() error {
		text, err := r.lb.metrics()
		if err != nil {
			return err
		}
		sum, series, err := sumMetric(text, name, labels)
		if err != nil {
			return err
		}
		if !holds(sum, want) {
			return fmt.Errorf("expected metric %s\nseen %g, the sum of:\n%s", strings.Join(args, " "), sum, strings.Join(series, "\n"))
		}
		return nil
	})
}

// sumMetric adds up the series of a metric in Prometheus' text format that have
// all the labels ("a=b,c=d"). It also returns all its series.
func sumMetric(text, name, labels string) (sum float64, series []string, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		series = append(series, line)
		has, value := "", rest
		if i := strings.LastIndexByte(rest, '}'); i >= 0 {
			has, value = rest[1:i], rest[i+1:]
		}
		all := true
		for _, l := range strings.FieldsFunc(labels, func(c rune) bool { return c == ',' }) {
			key, want, _ := strings.Cut(l, "=")
			all = all && strings.Contains(","+has+",", ","+key+"="+strconv.Quote(want)+",")
		}
		if !all {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0, series, fmt.Errorf("metrics: %s: %w", line, err)
		}
		sum += v
	}
	return sum, series, nil
}

// logFields are the names of the fields of an access log line (ELB guide,
// "Access logs for your Application Load Balancer"), and of what it quotes.
var logFields = strings.Fields(`type time elb client:port target:port request_processing_time
	target_processing_time response_processing_time elb_status_code target_status_code received_bytes sent_bytes
	request user_agent ssl_cipher ssl_protocol target_group_arn trace_id domain_name chosen_cert_arn
	matched_rule_priority request_creation_time actions_executed redirect_url error_reason target:port_list
	target_status_code_list classification classification_reason conn_trace_id transformed_host transformed_uri
	request_transform_status ip_address`)

// verbLog is "log [-count N] FIELD=VALUE …": waits for a line of the access log
// with all these fields, or for exactly N of them. "lines=N" alone counts all.
func (r *run) verbLog(args []string, _ bool) error {
	count := -1
	if len(args) > 1 && args[0] == "-count" {
		var err error
		if count, err = strconv.Atoi(args[1]); err != nil {
			return err
		}
		args = args[2:]
	}
	return r.until(func() error {
		data, err := os.ReadFile(filepath.Join(r.dir, "access.log"))
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(data)) {
			if !strings.HasSuffix(line, "\n") {
				continue // still being written
			}
			fields, err := parseLogLine(line)
			if err != nil {
				return err
			}
			all := true
			for _, a := range args {
				name, want, ok := cutField(a)
				if !ok {
					return fmt.Errorf("no field of the access log: %s", a)
				}
				ok, err := matches(want, fields[name])
				if err != nil {
					return err
				}
				all = all && ok
			}
			if all {
				n++
			}
		}
		if count < 0 && n == 0 || count >= 0 && n != count {
			return fmt.Errorf("expected a log line with %s\nseen %d such of:\n%s", strings.Join(args, " "), n, data)
		}
		return nil
	})
}

// verbLogFile is "logfile VALUE": waits until the access log as a whole is so.
func (r *run) verbLogFile(args []string, _ bool) error {
	if len(args) != 1 {
		return errors.New("logfile VALUE")
	}
	return r.until(func() error {
		data, err := os.ReadFile(filepath.Join(r.dir, "access.log"))
		if err != nil {
			return err
		}
		return check("access log", args[0], string(data))
	})
}

// cutField cuts "name=value" where the name is that of a log field.
func cutField(a string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(a, "=")
	for _, f := range logFields {
		if f == name {
			return name, value, ok
		}
	}
	return name, value, false
}

// parseLogLine splits a line into its fields, by name. Quotes are taken off.
func parseLogLine(line string) (map[string]string, error) {
	fields := map[string]string{}
	rest := strings.TrimSuffix(line, "\n")
	for _, name := range logFields {
		var value string
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("log line with an open quote: %s", line)
			}
			value, rest = rest[1:1+end], rest[2+end:]
			rest = strings.TrimPrefix(rest, " ")
		} else {
			value, rest, _ = strings.Cut(rest, " ")
		}
		if value == "" {
			return nil, fmt.Errorf("log line without %s: %s", name, line)
		}
		fields[name] = value
	}
	if rest != "" {
		return nil, fmt.Errorf("log line with more than %d fields: %s", len(logFields), line)
	}
	return fields, nil
}
