package rest

import (
	"html"
	"html/template"
	"regexp"
	"slices"
	"strings"
)

var codeSpan = regexp.MustCompile("`([^`]+)`")

// prose renders a comment of the API: paragraphs, lists with dashes, and `code`.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		intro, items := splitList(paragraph)
		if intro != "" {
			b.WriteString("<p>" + inline(intro) + "</p>")
		}
		if len(items) == 0 {
			continue
		}
		b.WriteString("<ul>")
		for _, item := range items {
			b.WriteString("<li>" + inline(item) + "</li>")
		}
		b.WriteString("</ul>")
	}
	return template.HTML(b.String()) // inline has escaped all of it
}

// splitList takes the items of a list off a paragraph.
func splitList(paragraph string) (intro string, items []string) {
	for line := range strings.SplitSeq(paragraph, "\n") {
		if item, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			items = append(items, item)
		} else if len(items) > 0 {
			items[len(items)-1] += " " + line
		} else {
			intro += line + " "
		}
	}
	return strings.TrimSpace(intro), items
}

func inline(text string) string {
	return codeSpan.ReplaceAllString(html.EscapeString(strings.TrimSpace(text)), "<code>$1</code>")
}

// typeOf names a schema's type, with a link to where it is described.
func typeOf(s *schema) template.HTML {
	switch {
	case s == nil:
		return "nothing"
	case s.Ref != "":
		name := html.EscapeString(strings.TrimPrefix(s.Ref, "#/definitions/"))
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`)
	case len(s.AllOf) == 1:
		return typeOf(s.AllOf[0])
	case s.Type == "array":
		return "list of " + typeOf(s.Items)
	case s.AdditionalProperties.schema != nil:
		return "map to " + typeOf(s.AdditionalProperties.schema)
	case len(s.Enum) > 0:
		return template.HTML("<code>" + html.EscapeString(strings.Join(choices(s), " | ")) + "</code>")
	case s.Format != "":
		return template.HTML(html.EscapeString(s.Type + " (" + s.Format + ")"))
	}
	return template.HTML(html.EscapeString(s.Type))
}

// choices are an enum's values but the one that stands for none.
func choices(s *schema) []string {
	return slices.DeleteFunc(slices.Clone(s.Enum), func(v string) bool { return strings.HasSuffix(v, "_UNSPECIFIED") })
}
