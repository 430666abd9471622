package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	maxBody      = 1 << 20
	defaultLimit = 50
	maxLimit     = 200
)

// position is where a list goes on.
type position struct{ Title, ID string }

func routes(s *articles) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/articles/{id}", s.serveGet)
	mux.HandleFunc("PUT /v1/articles/{id}", s.servePut)
	mux.HandleFunc("GET /v1/articles", s.serveList)
	return mux
}

func (s *articles) serveGet(w http.ResponseWriter, r *http.Request) {
	a, version, err := s.get(r.Context(), r.PathValue("id"))
	if errors.Is(err, pgx.ErrNoRows) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("ETag", etag(version))
	if r.Header.Get("If-None-Match") == etag(version) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, http.StatusOK, a)
}

func (s *articles) servePut(w http.ResponseWriter, r *http.Request) {
	var a article
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	err := a.validate()
	if err == nil && a.ID != r.PathValue("id") {
		err = errors.New("the id is not the one of the URL")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	expected, err := ifMatch(r)
	var version int64
	if err == nil {
		version, err = s.put(r.Context(), &a, expected)
	}
	if errors.Is(err, errVersion) {
		http.Error(w, err.Error(), http.StatusPreconditionFailed)
		return
	}
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("ETag", etag(version))
	status := http.StatusOK
	if version == 1 {
		w.Header().Set("Location", "/v1/articles/"+a.ID)
		status = http.StatusCreated
	}
	answer(w, status, a)
}

func (s *articles) serveList(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	category, limit := query.Get("category"), defaultLimit
	var err error
	if given := query.Get("limit"); given != "" {
		limit, err = strconv.Atoi(given)
	}
	if err != nil || limit < 1 || limit > maxLimit || !between(category, 1, 64) {
		http.Error(w, "category is needed, and limit is from 1 to 200", http.StatusBadRequest)
		return
	}
	var after *position
	if cursor := query.Get("cursor"); cursor != "" {
		if after, err = decoded(cursor); err != nil {
			http.Error(w, "the cursor is not one of this list", http.StatusBadRequest)
			return
		}
	}
	items, more, err := s.page(r.Context(), category, limit, after)
	if err != nil {
		failed(w, err)
		return
	}
	found := page{Items: items}
	if more {
		found.Next = encoded(items[len(items)-1])
	}
	answer(w, http.StatusOK, found)
}

func answer(w http.ResponseWriter, status int, content any) {
	body, err := json.Marshal(content)
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}

func failed(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, "internal error", http.StatusInternalServerError)
}

func etag(version int64) string {
	return `"` + strconv.FormatInt(version, 10) + `"`
}

// ifMatch is the version that the client knows, if it names one.
func ifMatch(r *http.Request) (*int64, error) {
	given := r.Header.Get("If-Match")
	if given == "" {
		return nil, nil
	}
	version, err := strconv.ParseInt(strings.Trim(given, `"`), 10, 64)
	if err != nil {
		return nil, errVersion
	}
	return &version, nil
}

func encoded(last article) *string {
	text, _ := json.Marshal(position{last.Title, last.ID}) // two strings can be encoded
	cursor := base64.RawURLEncoding.EncodeToString(text)
	return &cursor
}

func decoded(cursor string) (*position, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, err
	}
	var at position
	return &at, json.Unmarshal(text, &at)
}
