package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	columns = "id, category, title, price, stock, active, tags, attributes, description"

	getSQL   = "SELECT " + columns + ", version FROM articles WHERE id = $1"
	firstSQL = "SELECT " + columns + " FROM articles WHERE category = $1 ORDER BY title, id LIMIT $2"
	nextSQL  = "SELECT " + columns + " FROM articles WHERE category = $1 AND (title, id) > ($3, $4)" +
		" ORDER BY title, id LIMIT $2"
	putSQL = "INSERT INTO articles (" + columns + ", version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)" +
		" ON CONFLICT (id) DO UPDATE SET category = excluded.category, title = excluded.title," +
		" price = excluded.price, stock = excluded.stock, active = excluded.active, tags = excluded.tags," +
		" attributes = excluded.attributes, description = excluded.description, version = articles.version + 1" +
		" RETURNING version"
	replaceSQL = "UPDATE articles SET category = $2, title = $3, price = $4, stock = $5, active = $6, tags = $7," +
		" attributes = $8, description = $9, version = version + 1 WHERE id = $1 AND version = $10 RETURNING version"
	publishSQL = "INSERT INTO outbox (id, key, version, payload) VALUES ($1, $2, $3, $4)"
)

var errVersion = errors.New("the article has another version")

type articles struct{ pool *pgxpool.Pool }

// get returns an article and its version, or pgx.ErrNoRows.
func (s *articles) get(ctx context.Context, id string) (article, int64, error) {
	var (
		a       article
		version int64
	)
	err := s.pool.QueryRow(ctx, getSQL, id).Scan(append(a.fields(), &version)...)
	return a, version, err
}

// page returns at most limit articles of a category by title, and whether there are more.
func (s *articles) page(ctx context.Context, category string, limit int, after *position) ([]article, bool, error) {
	sql, values := firstSQL, []any{category, limit + 1}
	if after != nil {
		sql, values = nextSQL, append(values, after.Title, after.ID)
	}
	rows, err := s.pool.Query(ctx, sql, values...)
	if err != nil {
		return nil, false, err
	}
	found := make([]article, 0, limit+1)
	for rows.Next() {
		var a article
		if err := rows.Scan(a.fields()...); err != nil {
			rows.Close()
			return nil, false, err
		}
		found = append(found, a)
	}
	if err := rows.Err(); err != nil {
		return nil, false, err
	}
	if len(found) > limit {
		return found[:limit], true, nil
	}
	return found, false, nil
}

// put writes an article and an event about it, and returns its version. With expected it has to have that version.
func (s *articles) put(ctx context.Context, a *article, expected *int64) (version int64, err error) {
	values := []any{a.ID, a.Category, a.Title, a.Price, a.Stock, a.Active, a.Tags, a.Attributes, a.Description}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		sql := putSQL
		if expected != nil {
			sql, values = replaceSQL, append(values, *expected)
		}
		err := tx.QueryRow(ctx, sql, values...).Scan(&version)
		if errors.Is(err, pgx.ErrNoRows) {
			return errVersion
		}
		if err != nil || version == 1 {
			return err
		}
		id, payload, err := updated(a)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, publishSQL, id, "articles/"+a.ID, version, payload)
		return err
	})
	return version, err
}

// updated is the event that says so.
func updated(a *article) (id string, payload json.RawMessage, err error) {
	id = uuid()
	payload, err = json.Marshal(event{
		SpecVersion:     "1.0",
		ID:              id,
		Source:          "/bench/articles",
		Type:            "articles.updated",
		Subject:         "articles/" + a.ID,
		Time:            time.Now().UTC().Format(time.RFC3339Nano),
		DataContentType: "application/json",
		Data:            a,
	})
	return id, payload, err
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
