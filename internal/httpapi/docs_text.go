package httpapi

import (
	"fmt"
	"html/template"
	"regexp"
	"strings"
)

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	boldSpan = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// lineHTML turns a line of the contract's prose into HTML: `code` and **bold**, nothing else.
func lineHTML(s string) template.HTML {
	s = template.HTMLEscapeString(strings.TrimSpace(s))
	s = codeSpan.ReplaceAllString(s, "<code>$1</code>")
	s = boldSpan.ReplaceAllString(s, "<strong>$1</strong>")
	return template.HTML(s)
}

// proseHTML turns the contract's prose into HTML: paragraphs and tables of lines.
func proseHTML(s string) template.HTML {
	var b strings.Builder
	for _, block := range strings.Split(strings.TrimSpace(s), "\n\n") {
		switch {
		case block == "":
		case strings.HasPrefix(block, "|"):
			writeTable(&b, strings.Split(block, "\n"))
		default:
			fmt.Fprintf(&b, "<p>%s</p>\n", lineHTML(strings.ReplaceAll(block, "\n", " ")))
		}
	}
	return template.HTML(b.String())
}

func writeTable(b *strings.Builder, rows []string) {
	b.WriteString("<table>\n")
	for i, row := range rows {
		if i == 1 {
			continue // the ruler under the head
		}
		cell := "td"
		if i == 0 {
			cell = "th"
		}
		b.WriteString("<tr>")
		for _, text := range strings.Split(strings.Trim(row, "| "), "|") {
			fmt.Fprintf(b, "<%s>%s</%s>", cell, lineHTML(text), cell)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n")
}

// typeHTML says in words what a schema takes.
func typeHTML(s schema) template.HTML {
	switch {
	case s.Ref != "":
		name := template.HTMLEscapeString(refName(s.Ref))
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`)
	case len(s.AllOf) == 1:
		return typeHTML(s.AllOf[0])
	case s.Type == "array" && s.Items != nil:
		return "list of " + typeHTML(*s.Items) + limits(s.MinItems, s.MaxItems, "items")
	case len(s.Enum) > 0:
		var words []string
		for _, e := range s.Enum {
			words = append(words, "<code>"+template.HTMLEscapeString(e)+"</code>")
		}
		return template.HTML(strings.Join(words, " "))
	}
	switch s.Type {
	case "string":
		if s.Format == "date-time" {
			return "time"
		}
		return "text" + limits(s.MinLength, s.MaxLength, "characters")
	case "integer":
		return "whole number" + limits(s.Minimum, s.Maximum, "")
	case "boolean":
		return "<code>true</code> <code>false</code>"
	}
	return template.HTML(template.HTMLEscapeString(s.Type))
}

func limits(least, most *int64, of string) template.HTML {
	var s string
	switch {
	case least != nil && most != nil && *least == *most:
		s = fmt.Sprintf(", %d %s", *most, of)
	case least != nil && most != nil:
		s = fmt.Sprintf(", %d to %d %s", *least, *most, of)
	case most != nil:
		s = fmt.Sprintf(", at most %d %s", *most, of)
	case least != nil:
		s = fmt.Sprintf(", from %d %s", *least, of)
	}
	return template.HTML(strings.TrimRight(s, " "))
}
