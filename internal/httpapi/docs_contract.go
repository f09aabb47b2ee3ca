package httpapi

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// contract is what the page shows of the contract, in the contract's own order.
type contract struct {
	Title, Version, Description string
	Tags                        []tag
	Schemas                     []property
}

type tag struct {
	Name, Description string
	Operations        []operation
}

type operation struct {
	ID           string   `yaml:"operationId"`
	Tags         []string `yaml:"tags"`
	Summary      string   `yaml:"summary"`
	Description  string   `yaml:"description"`
	Method, Path string   `yaml:"-"`
	// Caller says who may ask: empty for everyone.
	Caller     string                `yaml:"-"`
	Security   []map[string][]string `yaml:"security"`
	Parameters []parameter           `yaml:"parameters"`
	Body       body                  `yaml:"requestBody"`
	BodyTypes  []media               `yaml:"-"`
	RawAnswers yaml.Node             `yaml:"responses"`
	Answers    []answer              `yaml:"-"`
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name        string `yaml:"name"`
	In          string `yaml:"in"`
	Description string `yaml:"description"`
	Required    bool   `yaml:"required"`
	Schema      schema `yaml:"schema"`
	Example     string `yaml:"example"`
}

type body struct {
	Required bool      `yaml:"required"`
	Content  yaml.Node `yaml:"content"`
}

type media struct {
	Type   string
	Schema schema `yaml:"schema"`
}

type answer struct {
	Status      string    `yaml:"-"`
	Ref         string    `yaml:"$ref"`
	Description string    `yaml:"description"`
	Content     yaml.Node `yaml:"content"`
	Types       []media   `yaml:"-"`
}

type schema struct {
	Ref         string    `yaml:"$ref"`
	AllOf       []schema  `yaml:"allOf"`
	Type        string    `yaml:"type"`
	Format      string    `yaml:"format"`
	Description string    `yaml:"description"`
	Enum        []string  `yaml:"enum"`
	Items       *schema   `yaml:"items"`
	Required    []string  `yaml:"required"`
	RawFields   yaml.Node `yaml:"properties"`
	Minimum     *int64    `yaml:"minimum"`
	Maximum     *int64    `yaml:"maximum"`
	MinLength   *int64    `yaml:"minLength"`
	MaxLength   *int64    `yaml:"maxLength"`
	MinItems    *int64    `yaml:"minItems"`
	MaxItems    *int64    `yaml:"maxItems"`
	Example     any       `yaml:"example"`
}

// ExampleJSON returns the example as it would be sent: empty where there is none.
func (s schema) ExampleJSON() (string, error) {
	if s.Example == nil {
		return "", nil
	}
	b, err := json.Marshal(s.Example, json.Deterministic(true), jsontext.WithIndent("  "))
	return string(b), err
}

type property struct {
	Name     string
	Required bool
	Schema   schema
}

// Fields returns the fields of an object, in order.
func (s schema) Fields() ([]property, error) {
	var out []property
	for name, node := range pairs(&s.RawFields) {
		p := property{Name: name, Required: slices.Contains(s.Required, name)}
		if err := node.Decode(&p.Schema); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// Simple reports whether a schema is a word or two, and no object.
func (s schema) Simple() bool { return s.Type != "object" }

// pairs goes through a mapping in the order in which it is written; what it merges comes first.
func pairs(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Value != "<<" {
				if !yield(key.Value, value) {
					return
				}
				continue
			}
			for name, merged := range pairs(value) {
				if !yield(name, merged) {
					return
				}
			}
		}
	}
}

type openapi struct {
	Info struct {
		Title, Version, Description string
	} `yaml:"info"`
	Tags       []tag     `yaml:"tags"`
	Paths      yaml.Node `yaml:"paths"`
	Components struct {
		Parameters map[string]parameter `yaml:"parameters"`
		Responses  map[string]answer    `yaml:"responses"`
		Schemas    yaml.Node            `yaml:"schemas"`
	} `yaml:"components"`
}

func readContract(spec []byte) (*contract, error) {
	var d openapi
	if err := yaml.Unmarshal(spec, &d); err != nil {
		return nil, err
	}
	c := &contract{Title: d.Info.Title, Version: d.Info.Version, Description: d.Info.Description, Tags: d.Tags}
	for path, item := range pairs(&d.Paths) {
		if err := d.readPath(c, path, item); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for name, node := range pairs(&d.Components.Schemas) {
		p := property{Name: name}
		if err := node.Decode(&p.Schema); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		c.Schemas = append(c.Schemas, p)
	}
	return c, nil
}

func (d *openapi) readPath(c *contract, path string, item *yaml.Node) error {
	var shared []parameter
	for method, node := range pairs(item) {
		if method == "parameters" {
			if err := node.Decode(&shared); err != nil {
				return err
			}
			continue
		}
		op := operation{Method: strings.ToUpper(method), Path: path}
		if err := node.Decode(&op); err != nil {
			return err
		}
		op.Parameters = append(slices.Clone(shared), op.Parameters...)
		if err := d.complete(&op); err != nil {
			return fmt.Errorf("%s: %w", op.ID, err)
		}
		at := slices.IndexFunc(c.Tags, func(t tag) bool { return len(op.Tags) == 1 && t.Name == op.Tags[0] })
		if at < 0 {
			return fmt.Errorf("%s has no tag of the list", op.ID)
		}
		c.Tags[at].Operations = append(c.Tags[at].Operations, op)
	}
	return nil
}

// complete follows the references of an operation.
func (d *openapi) complete(op *operation) (err error) {
	n, err := readNeed(op.Security)
	if err != nil {
		return err
	}
	switch {
	case n.customer:
		op.Caller = "customer"
	case n.role != "":
		op.Caller = "admin key, role " + string(n.role)
	}
	for i, p := range op.Parameters {
		if p.Ref != "" {
			op.Parameters[i] = d.Components.Parameters[refName(p.Ref)]
		}
	}
	if op.BodyTypes, err = medias(&op.Body.Content); err != nil {
		return err
	}
	for status, node := range pairs(&op.RawAnswers) {
		var a answer
		if err := node.Decode(&a); err != nil {
			return err
		}
		if a.Ref != "" {
			a = d.Components.Responses[refName(a.Ref)]
		}
		a.Status = status
		if a.Types, err = medias(&a.Content); err != nil {
			return err
		}
		op.Answers = append(op.Answers, a)
	}
	return nil
}

func medias(n *yaml.Node) ([]media, error) {
	var out []media
	for name, node := range pairs(n) {
		m := media{Type: name}
		if err := node.Decode(&m); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
