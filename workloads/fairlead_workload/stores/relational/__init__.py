"""What relational datastores share: layouts of tables, rows of documents, queries, and their SQL. No input or output.

`layout` decides which columns a resource has, `rows` turns documents into the values of columns and back, `statements`
and `queries` write SQL in a `dialect`, `migration` says which statements bring a table to a layout. An adapter has the
driver, transactions and errors.
"""
