// Package config turns a configuration as people write it into a Model that the
// rest of the program is built from.
//
// A file goes through four steps. Its YAML becomes nodes, each with its place
// (yaml.go, the only file that knows the YAML library); ${…} in values is
// expanded (expand.go); the files that include brings together become one
// Document (load.go); and Build checks it against the tables of fields and
// attributes and makes the Model (build.go and a file for each resource). All of
// it is a pure function of the files and the environment: there is no clock, no
// socket, no goroutine and no state.
//
// Nothing stops at the first error. Each is reported with file, line and column,
// the path in the document, what is wrong and what is allowed, and, where a name
// is close to one that exists, what may have been meant. A value that came from
// the environment or a file is quoted as it was written, as it may be a secret.
//
// The format is described once, by tables: the objects beside the code that
// reads them, and the registry of attributes. They validate, and they generate
// docs/reference and the JSON schema. What ELB has and Elbow does not have yet is
// in the tables, too, marked notYet: it is refused with a message that says so,
// never ignored.
package config
