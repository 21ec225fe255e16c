"""Doubly linked lists in tables.

``links[i]`` = (prev, next, list) of element i, ``lists[l]`` = (head, tail, n, hand).
"""

from vms.engine.compiled import inner


@inner
def push(lists, links, l, i):  # noqa: E741
    """Put element i at the head of list l."""
    old = lists[l].head
    links[i].prev = -1
    links[i].next = old
    links[i].list = l
    if old >= 0:
        links[old].prev = i
    else:
        lists[l].tail = i
    lists[l].head = i
    lists[l].n += 1


@inner
def insert_before(lists, links, i, at):
    """Put element i before element `at`, on the same list."""
    before = links[at].prev
    links[i].list = links[at].list
    links[i].prev = before
    links[i].next = at
    links[at].prev = i
    if before >= 0:
        links[before].next = i
    else:
        lists[links[at].list].head = i
    lists[links[at].list].n += 1


@inner
def append(lists, links, l, i):  # noqa: E741
    """Put element i at the tail of list l."""
    old = lists[l].tail
    links[i].prev = old
    links[i].next = -1
    links[i].list = l
    if old >= 0:
        links[old].next = i
    else:
        lists[l].head = i
    lists[l].tail = i
    lists[l].n += 1


@inner
def remove(lists, links, i):
    """Take element i off the list it is on."""
    l = links[i].list  # noqa: E741
    before = links[i].prev
    after = links[i].next
    if before >= 0:
        links[before].next = after
    else:
        lists[l].head = after
    if after >= 0:
        links[after].prev = before
    else:
        lists[l].tail = before
    links[i].list = -1
    lists[l].n -= 1


@inner
def to_head(lists, links, i):
    """Move element i to the head of its list."""
    l = links[i].list  # noqa: E741
    if lists[l].head != i:
        remove(lists, links, i)
        push(lists, links, l, i)
