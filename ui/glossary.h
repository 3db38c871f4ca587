/* The words that a newcomer may not know, in a sentence or two each: for the help of every page. */
#ifndef UI_GLOSSARY_H
#define UI_GLOSSARY_H

const char *glossary_find(const char *term); /* dies on a term that is not listed: a page's table is wrong */
/* The i-th term and its meaning; NULL past the end. */
const char *glossary_at(int i, const char **meaning);

#endif
