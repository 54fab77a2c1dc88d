package config

import (
	"encoding/json"
	"strings"
)

//go:generate go test . -run TestDocs -update

// schemaID names the schema's dialect.
const schemaID = "https://json-schema.org/draft/2020-12/schema"

// jsonSchema is a schema as JSON; encoding/json writes its keys in order.
type jsonSchema = map[string]any

// Schema returns the JSON schema (draft 2020-12) of a configuration file, for
// editors. It accepts every file that Read accepts, and the parts that include
// brings together; what needs more than one field is left to Read. What is not
// supported yet is not in it.
func Schema() ([]byte, error) {
	defs := jsonSchema{
		"expansion": jsonSchema{"type": "string", "pattern": `\$\{`,
			"description": "A value that ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:path} stands for."},
	}
	root := objectSchema(documentObject, defs)
	// A file may be a part of a configuration, so nothing is required of it.
	delete(root, "required")
	root["$schema"] = schemaID
	root["title"] = "Elbow configuration"
	root["$defs"] = defs
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// defName is the name of a resource in $defs.
func defName(name string) string { return strings.ReplaceAll(name, " ", "_") }

func ref(name string) jsonSchema { return jsonSchema{"$ref": "#/$defs/" + defName(name)} }

// orExpansion allows a value to be written as ${…} as well.
func orExpansion(s jsonSchema) jsonSchema {
	return jsonSchema{"anyOf": []any{s, ref("expansion")}}
}

func objectSchema(o *object, defs jsonSchema) jsonSchema {
	properties, required := jsonSchema{}, []string{}
	for i := range o.fields {
		f := &o.fields[i]
		if f.notYet {
			continue
		}
		s := fieldSchema(f, defs)
		s["description"] = f.doc
		if f.def != "" {
			s["default"] = schemaDefault(f)
		}
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	s := jsonSchema{"type": "object", "description": o.doc, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func schemaDefault(f *field) any {
	switch {
	case f.kind == integerValue:
		return json.Number(f.def)
	case f.kind == booleanValue:
		return f.def == "true"
	}
	return f.def
}

// fieldSchema returns the schema of a field's value, adding the objects that it
// refers to to defs.
func fieldSchema(f *field, defs jsonSchema) jsonSchema {
	switch f.kind {
	case integerValue:
		return orExpansion(integerSchema(f.min, f.max))
	case booleanValue:
		return orExpansion(wordsSchema([]string{"true", "false"}))
	case choiceValue:
		return orExpansion(wordsSchema(words(f.values)))
	case listValue:
		return jsonSchema{"type": "array", "items": fieldSchema(f.item, defs)}
	case objectValue:
		if name := defName(f.object.name); defs[name] == nil {
			defs[name] = true // so that it is made once
			defs[name] = objectSchema(f.object, defs)
		}
		return ref(f.object.name)
	case unionValue:
		if name := defName(f.union.name); defs[name] == nil {
			defs[name] = true
			defs[name] = unionSchema(f.union, defs)
		}
		return ref(f.union.name)
	case attributesValue:
		name := f.owner.String() + " attributes"
		if defs[defName(name)] == nil {
			defs[defName(name)] = attributesSchema(f.owner)
		}
		return ref(name)
	}
	// A name that looks like a number or a boolean need not be quoted.
	s := jsonSchema{"type": []string{"string", "number", "boolean"}}
	if f.numeric {
		s["type"] = []string{"string", "integer"}
	}
	if f.pattern != "" {
		s["pattern"] = f.pattern
	}
	if f.max > 0 {
		s["maxLength"] = f.max
	}
	if !f.empty {
		s["minLength"] = 1
	}
	return orExpansion(s)
}

// integerSchema allows a number, bare or quoted.
func integerSchema(low, high int, words ...string) jsonSchema {
	forms := []any{
		jsonSchema{"type": "integer", "minimum": low, "maximum": high},
		jsonSchema{"type": "string", "pattern": "^(0|[1-9][0-9]{0,8})$"},
	}
	if len(words) > 0 {
		forms = append(forms, wordsSchema(words))
	}
	return jsonSchema{"anyOf": forms}
}

// wordsSchema allows a few words; true, false and numbers bare or quoted.
func wordsSchema(words []string) jsonSchema {
	var values []any
	for _, w := range words {
		values = append(values, w)
		switch _, isNumber := parseInteger(w); {
		case w == "true" || w == "false":
			values = append(values, w == "true")
		case isNumber:
			values = append(values, json.Number(w))
		}
	}
	return jsonSchema{"enum": values}
}

func unionSchema(u *union, defs jsonSchema) jsonSchema {
	var tags []string
	var cases []any
	for _, v := range u.variants {
		if v.notYet {
			continue
		}
		tags = append(tags, v.tag)
		defs[defName(v.name)] = objectSchema(v, defs)
		cases = append(cases, jsonSchema{
			"if":   jsonSchema{"properties": jsonSchema{u.tag: jsonSchema{"const": v.tag}}, "required": []string{u.tag}},
			"then": ref(v.name),
		})
	}
	return jsonSchema{
		"type": "object", "description": u.doc, "required": []string{u.tag},
		"properties": jsonSchema{u.tag: jsonSchema{"enum": tags}},
		"allOf":      cases,
	}
}

// supportedOwners are the resources whose attributes the schema knows.
var supportedOwners = []attributeOf{
	{owner: OfLoadBalancer, lbType: Application},
	{owner: OfTargetGroup, lbType: Application, protocol: HTTP, targetType: TargetIP},
	{owner: OfListener, lbType: Application, protocol: HTTP},
}

func attributesSchema(owner AttributeOwner) jsonSchema {
	properties := jsonSchema{}
	for _, of := range supportedOwners {
		if of.owner != owner {
			continue
		}
		for i := range registry {
			if row := &registry[i]; row.applies(of) {
				properties[row.Key] = attributeSchema(row)
			}
		}
	}
	return jsonSchema{"type": "object", "properties": properties, "additionalProperties": false,
		"description": "Attributes of a " + owner.String() + ", by their ELB keys."}
}

func attributeSchema(a *Attribute) jsonSchema {
	var s jsonSchema
	doc := a.Doc
	switch {
	case a.NotYet:
		doc += " Not supported yet: only the default is accepted."
		accepted := []string{a.Default}
		if a.InternalDefault != "" {
			accepted = append(accepted, a.InternalDefault)
		}
		s = wordsSchema(accepted)
	case a.Kind == BooleanAttribute:
		s = wordsSchema([]string{"true", "false"})
	case a.Kind == WordAttribute:
		s = wordsSchema(a.supportedWords())
	case a.Kind == IntegerAttribute:
		s = integerSchema(a.Min, a.Max, a.Words...)
	case a.Kind == NetworksAttribute:
		s = jsonSchema{"type": "string"}
	default:
		// A text that looks like a number or a boolean need not be quoted.
		s = jsonSchema{"type": []string{"string", "number", "boolean"}, "maxLength": a.Max}
	}
	s = orExpansion(s)
	s["description"] = doc
	if n, ok := parseInteger(a.Default); ok {
		s["default"] = n
	} else if a.Kind == BooleanAttribute {
		s["default"] = a.Default == "true"
	} else if a.Default != "" {
		s["default"] = a.Default
	}
	return s
}
