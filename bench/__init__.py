"""Ratios against baselines, measured in one run on this machine. `make bench` prints them; nothing asserts a time.

`command` reads the command line; the parts are `api`, `worker`, `postgresql`, `start` and `scale`. An error of any
kind during a measurement ends the command with status 1: a rate that contains error answers says nothing.
"""
