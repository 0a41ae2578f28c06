package org.finetune4j.data;

/** What to do with a record that cannot be read, or does not fit its format. */
public enum BadRecordPolicy {
    /** Refuse the whole file, naming the record's file and line. */
    ERROR,
    /** Leave the record out and count it. A JSON array whose syntax is broken is still refused: what follows is lost. */
    SKIP
}
