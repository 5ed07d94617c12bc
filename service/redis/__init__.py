"""Sessions and frames shared by several processes through Redis (ADR 6, ADR 8)."""
