package main

import (
	"errors"
	"unicode/utf8"
)

type attributes struct {
	Color    string `json:"color"`
	Material string `json:"material"`
	WidthMm  int    `json:"widthMm"`
	HeightMm int    `json:"heightMm"`
}

type article struct {
	ID          string     `json:"id"`
	Category    string     `json:"category"`
	Title       string     `json:"title"`
	Price       float64    `json:"price"`
	Stock       int        `json:"stock"`
	Active      bool       `json:"active"`
	Tags        []string   `json:"tags"`
	Attributes  attributes `json:"attributes"`
	Description string     `json:"description"`
}

type page struct {
	Items []article `json:"items"`
	Next  *string   `json:"next"`
}

type event struct {
	SpecVersion     string   `json:"specversion"`
	ID              string   `json:"id"`
	Source          string   `json:"source"`
	Type            string   `json:"type"`
	Subject         string   `json:"subject"`
	Time            string   `json:"time"`
	DataContentType string   `json:"datacontenttype"`
	Data            *article `json:"data"`
}

// fields are where a row is read into, in the order of columns.
func (a *article) fields() []any {
	return []any{
		&a.ID, &a.Category, &a.Title, &a.Price, &a.Stock, &a.Active, &a.Tags, &a.Attributes, &a.Description,
	}
}

func (a *article) validate() error {
	for _, tag := range a.Tags {
		if !between(tag, 0, 64) {
			return errors.New("a tag is too long")
		}
	}
	switch {
	case !between(a.ID, 1, 64):
		return errors.New("id has 1 to 64 characters")
	case !between(a.Category, 1, 64):
		return errors.New("category has 1 to 64 characters")
	case !between(a.Title, 1, 200):
		return errors.New("title has 1 to 200 characters")
	case !between(a.Description, 0, 4000):
		return errors.New("description has at most 4000 characters")
	case !between(a.Attributes.Color, 0, 64), !between(a.Attributes.Material, 0, 64):
		return errors.New("an attribute is too long")
	case a.Price < 0, a.Stock < 0, a.Attributes.WidthMm < 0, a.Attributes.HeightMm < 0:
		return errors.New("a number is negative")
	case a.Tags == nil:
		return errors.New("tags are missing")
	case len(a.Tags) > 16:
		return errors.New("there are more than 16 tags")
	}
	return nil
}

func between(text string, least, most int) bool {
	count := utf8.RuneCountInString(text)
	return least <= count && count <= most
}
