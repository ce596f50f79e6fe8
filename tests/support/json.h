/* json.h - whether a text is JSON, and nothing more. */
#ifndef CUDROP_JSON_H
#define CUDROP_JSON_H

/* NULL for one JSON value with nothing but blanks around it, else where it stops being one. */
const char *json_fault(const char *text);

#endif /* CUDROP_JSON_H */
